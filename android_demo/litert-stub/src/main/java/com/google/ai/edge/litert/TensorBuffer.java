package com.google.ai.edge.litert;

/** Compile-only: see litert-stub/README.md. */
public class TensorBuffer implements AutoCloseable {
    private TensorBuffer() {}

    /** Sets an int32 tensor. */
    public void writeInt(int[] data) {
        throw new UnsupportedOperationException("a stub");
    }

    /** Sets a float32 tensor. */
    public void writeFloat(float[] data) {
        throw new UnsupportedOperationException("a stub");
    }

    /** The data of a float32 tensor. */
    public float[] readFloat() {
        throw new UnsupportedOperationException("a stub");
    }

    /** Frees the memory. */
    @Override
    public void close() {
        throw new UnsupportedOperationException("a stub");
    }
}
