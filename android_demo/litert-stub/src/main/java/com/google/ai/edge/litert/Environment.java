package com.google.ai.edge.litert;

import java.util.Map;
import java.util.Set;

/** Compile-only: see litert-stub/README.md. */
public class Environment implements AutoCloseable {
    private Environment() {}

    /** What an environment can be given. */
    public enum Option {
        /** The folder of the libraries that compile for a neural processor. */
        CompilerPluginLibraryDir,
        /** The folder of the libraries that run what was compiled. */
        DispatchLibraryDir
    }

    /** Creates an environment. */
    public static Environment create(Map<Option, String> options) {
        throw new UnsupportedOperationException("a stub");
    }

    /** The accelerators that were found. */
    public Set<Accelerator> getAvailableAccelerators() {
        throw new UnsupportedOperationException("a stub");
    }

    /** Frees the environment. */
    @Override
    public void close() {
        throw new UnsupportedOperationException("a stub");
    }
}
