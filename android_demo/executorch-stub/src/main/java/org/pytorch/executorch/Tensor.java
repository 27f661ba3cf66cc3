package org.pytorch.executorch;

/** Compile-only: see executorch-stub/README.md. */
public abstract class Tensor {
    private Tensor() {}

    /** An int64 tensor with this data. */
    public static Tensor fromBlob(long[] data, long[] shape) {
        throw new UnsupportedOperationException("a stub");
    }

    /** An int32 tensor with this data. */
    public static Tensor fromBlob(int[] data, long[] shape) {
        throw new UnsupportedOperationException("a stub");
    }

    /** A float32 tensor with this data. */
    public static Tensor fromBlob(float[] data, long[] shape) {
        throw new UnsupportedOperationException("a stub");
    }

    /** The data of a float32 tensor. */
    public float[] getDataAsFloatArray() {
        throw new UnsupportedOperationException("a stub");
    }

    /** The shape. */
    public long[] shape() {
        throw new UnsupportedOperationException("a stub");
    }
}
