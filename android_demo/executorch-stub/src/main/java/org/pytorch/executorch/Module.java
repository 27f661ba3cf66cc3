package org.pytorch.executorch;

/** Compile-only: see executorch-stub/README.md. */
public class Module {
    private Module() {}

    /** Loads a program; with 0 threads ExecuTorch chooses the number. */
    public static Module load(String modelPath, int loadMode, int numThreads) {
        throw new UnsupportedOperationException("a stub");
    }

    /** Runs the method "forward". */
    public EValue[] forward(EValue... inputs) {
        throw new UnsupportedOperationException("a stub");
    }

    /** Frees the program. */
    public void destroy() {
        throw new UnsupportedOperationException("a stub");
    }
}
