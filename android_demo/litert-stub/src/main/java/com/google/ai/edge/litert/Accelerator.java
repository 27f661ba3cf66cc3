package com.google.ai.edge.litert;

/** Compile-only: see litert-stub/README.md. */
public enum Accelerator {
    /** The CPU, with XNNPACK. */
    CPU
}
