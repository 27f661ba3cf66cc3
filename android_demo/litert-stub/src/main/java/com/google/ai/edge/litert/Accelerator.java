package com.google.ai.edge.litert;

/** Compile-only: see litert-stub/README.md. */
public enum Accelerator {
    /** The CPU, with XNNPACK. */
    CPU,
    /** The graphics processor. */
    GPU,
    /** A neural processor, with its maker's library. */
    NPU
}
