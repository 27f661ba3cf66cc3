package org.pytorch.executorch;

/** Compile-only: see executorch-stub/README.md. */
public class EValue {
    private EValue() {}

    /** Wraps a tensor. */
    public static EValue from(Tensor tensor) {
        throw new UnsupportedOperationException("a stub");
    }

    /** The wrapped tensor. */
    public Tensor toTensor() {
        throw new UnsupportedOperationException("a stub");
    }
}
