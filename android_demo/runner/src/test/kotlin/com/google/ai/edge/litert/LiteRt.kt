package com.google.ai.edge.litert

import ai.onnxruntime.OnnxTensor
import ai.onnxruntime.OrtEnvironment
import ai.onnxruntime.OrtSession
import java.nio.LongBuffer

// In place of LiteRT's AAR, which cannot be had on a JVM: its API, written with Kotlin's library as the AAR
// is, around a model that ONNX Runtime runs. The system property `accelerators` has what a phone has, and
// `delegated` what its accelerators run of a model: "all" or "some".

enum class Accelerator { CPU, GPU, NPU }

class LiteRtException(message: String) : Exception(message)

class Environment private constructor(private val options: Map<Option, String>) : AutoCloseable {
    enum class Option { CompilerPluginLibraryDir, DispatchLibraryDir }

    fun getAvailableAccelerators(): Set<Accelerator> =
        System.getProperty("accelerators", "CPU").split(",").map { Accelerator.valueOf(it) }.toSet()

    override fun close() = check(options.keys.isEmpty() || options.size == 2)

    companion object {
        @JvmStatic
        @JvmOverloads
        fun create(options: Map<Option, String> = mapOf()) = Environment(options)
    }
}

class CompiledModel private constructor(private val session: OrtSession) : AutoCloseable {
    data class CpuOptions(
        val numThreads: Int? = null,
        val xnnPackFlags: Int? = null,
        val xnnPackWeightCachePath: String? = null,
    )

    class Options(vararg val accelerators: Accelerator) {
        var cpuOptions: CpuOptions? = null
    }

    fun createInputBuffer(inputName: String, signature: String? = null) = TensorBuffer("$signature/$inputName")

    fun createOutputBuffer(outputName: String, signature: String? = null) = TensorBuffer("$signature/$outputName")

    fun run(inputs: Map<String, TensorBuffer>, outputs: Map<String, TensorBuffer>, signature: String? = null) {
        val length = signature.orEmpty().substringAfter("length_").toLong()
        val feed = inputs.mapValues { (_, buffer) ->
            val numbers = buffer.ints.map(Int::toLong).toLongArray()
            require(numbers.size.toLong() == length) { "${buffer.name} has ${numbers.size} numbers" }
            OnnxTensor.createTensor(OrtEnvironment.getEnvironment(), LongBuffer.wrap(numbers), longArrayOf(1, length))
        }
        session.run(feed).use { computed ->
            for ((name, buffer) in outputs) {
                val tensor = computed.get(name).orElseThrow { LiteRtException("no output $name") } as OnnxTensor
                buffer.floats = tensor.floatBuffer.let { numbers -> FloatArray(numbers.remaining()) { numbers.get() } }
            }
        }
        feed.values.forEach { it.close() }
    }

    override fun close() = session.close()

    companion object {
        @JvmStatic
        @JvmOverloads
        fun create(filePath: String, options: Options, optionalEnv: Environment? = null): CompiledModel {
            val strict = Accelerator.CPU !in options.accelerators
            val found = optionalEnv?.getAvailableAccelerators().orEmpty()
            val isWhole = options.accelerators.all { it in found } && System.getProperty("delegated") == "all"
            if (strict && !isWhole) throw LiteRtException("Some ops are not accelerated.\nAdd the CPU.")
            val threads = listOfNotNull(options.cpuOptions?.numThreads).firstOrNull() ?: 1
            val native = OrtSession.SessionOptions().also { it.setIntraOpNumThreads(threads) }
            return CompiledModel(OrtEnvironment.getEnvironment().createSession(filePath, native))
        }
    }
}

class TensorBuffer(val name: String) : AutoCloseable {
    internal var ints = intArrayOf()
    internal var floats = floatArrayOf()

    fun writeInt(data: IntArray) {
        ints = data.copyOf()
    }

    fun writeFloat(data: FloatArray) {
        floats = data.copyOf()
    }

    fun readFloat(): FloatArray = floats.copyOf()

    override fun close() = Unit
}
