package org.pytorch.executorch;

/** Compile-only: see README.md of this folder. */
public abstract class Tensor {
    private Tensor() {}

    /** An int64 tensor with these numbers. */
    public static Tensor fromBlob(long[] data, long[] shape) {
        throw new UnsupportedOperationException("a stub");
    }

    /** The numbers of a float32 tensor. */
    public float[] getDataAsFloatArray() {
        throw new UnsupportedOperationException("a stub");
    }

    /** The lengths of its axes. */
    public long[] shape() {
        throw new UnsupportedOperationException("a stub");
    }
}
