package com.google.ai.edge.litert;

import java.util.Map;

/** Compile-only: see litert-stub/README.md. */
public class CompiledModel implements AutoCloseable {
    private CompiledModel() {}

    /** Options of the CPU accelerator; null is its default. */
    public static class CpuOptions {
        /** Number of threads, XNNPACK's flags, and the file of its packed weights. */
        public CpuOptions(Integer numThreads, Integer xnnPackFlags, String xnnPackWeightCachePath) {}
    }

    /** Options of a model. */
    public static class Options {
        /** The accelerators to use. */
        public Options(Accelerator... accelerators) {}

        /** Sets the options of the CPU. */
        public void setCpuOptions(CpuOptions options) {}
    }

    /** Loads a model file. */
    public static CompiledModel create(String filePath, Options options) {
        throw new UnsupportedOperationException("a stub");
    }

    /** Loads a model file, in an environment that stays open as long as the model. */
    public static CompiledModel create(String filePath, Options options, Environment environment) {
        throw new UnsupportedOperationException("a stub");
    }

    /** Memory for an input of a signature. */
    public TensorBuffer createInputBuffer(String inputName, String signature) {
        throw new UnsupportedOperationException("a stub");
    }

    /** Memory for an output of a signature. */
    public TensorBuffer createOutputBuffer(String outputName, String signature) {
        throw new UnsupportedOperationException("a stub");
    }

    /** Runs a signature. */
    public void run(Map<String, TensorBuffer> inputs, Map<String, TensorBuffer> outputs, String signature) {
        throw new UnsupportedOperationException("a stub");
    }

    /** Frees the model. */
    @Override
    public void close() {
        throw new UnsupportedOperationException("a stub");
    }
}
