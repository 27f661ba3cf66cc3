package org.pytorch.executorch;

/** Compile-only: see README.md of this folder. */
public class EValue {
    private EValue() {}

    /** A value that holds a tensor. */
    public static EValue from(Tensor tensor) {
        throw new UnsupportedOperationException("a stub");
    }

    /** The tensor that it holds. */
    public Tensor toTensor() {
        throw new UnsupportedOperationException("a stub");
    }
}
