package org.pytorch.executorch;

/** Compile-only: see README.md of this folder. */
public class Module {
    private Module() {}

    /** Opens a program; 0 threads leave their number to ExecuTorch. */
    public static Module load(String modelPath, int loadMode, int numThreads) {
        throw new UnsupportedOperationException("a stub");
    }

    /** Runs the method called forward. */
    public EValue[] forward(EValue... inputs) {
        throw new UnsupportedOperationException("a stub");
    }

    /** Frees the program. */
    public void destroy() {
        throw new UnsupportedOperationException("a stub");
    }
}
