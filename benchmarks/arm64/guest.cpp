// Runs an ExecuTorch program under emulation: guest MODEL.pte. See emulation.py for the protocol.
//
// It needs ExecuTorch's libraries alone, no torch. The event tracer reads the clock at the start
// and the end of every operator, and at each reading the plugin prints its count. Of a delegate, the
// tracer hears when it has run: XNNPACK's profiler has then read the clock once or several times
// for each of its operators. How often shows in the times that it reports, because this program's
// clock advances by one step at each reading.
#include <executorch/extension/module/module.h>
#include <executorch/extension/tensor/tensor.h>
#include <executorch/extension/threadpool/threadpool_guard.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

namespace {

using executorch::aten::ScalarType;
using executorch::aten::Tensor;
using executorch::extension::Module;
using executorch::extension::TensorPtr;
using executorch::runtime::ChainID;
using executorch::runtime::DebugHandle;
using executorch::runtime::DelegateDebugIntId;
using executorch::runtime::Error;
using executorch::runtime::EValue;
using executorch::runtime::EventTracer;
using executorch::runtime::EventTracerEntry;
using executorch::runtime::Result;

[[noreturn]] void fail(const std::string& reason) {
    std::cerr << reason << std::endl;
    exit(1);
}

constexpr int64_t kStep = 1'000'000;  // ns between two readings: XNNPACK rounds to microseconds

void read_clock() {
    timespec unused;
    clock_gettime(CLOCK_MONOTONIC, &unused);
}

// Writes the events of a run as reading.py reads them.
class Tracer final : public EventTracer {
   public:
    std::ostringstream* events = nullptr;  // null: not recording

    EventTracerEntry start_profiling(const char* name, ChainID, DebugHandle) override {
        return begin(name);
    }
    void end_profiling(EventTracerEntry) override { end(); }
    EventTracerEntry start_profiling_delegate(const char* name, DelegateDebugIntId) override {
        return begin(name ? name : "delegate");
    }
    void end_profiling_delegate(EventTracerEntry, const void*, size_t) override { end(); }
    void log_profiling_delegate(const char* name, DelegateDebugIntId, et_timestamp_t begun,
                                et_timestamp_t ended, const void*, size_t) override {
        if (!events) return;
        if (!in_parts_) *events << "skip 2\n";  // when it starts, XNNPACK's profiler reads it twice
        in_parts_ = true;
        *events << "part " << (ended - begun) / kStep << ' ' << (name ? name : "part") << '\n';
    }
    void create_event_block(const char*) override {}
    void track_allocation(executorch::runtime::AllocatorID, size_t) override {}
    executorch::runtime::AllocatorID track_allocator(const char*) override { return 0; }
    Result<bool> log_evalue(const EValue&, executorch::runtime::LoggedEValueType) override {
        return false;
    }
    Result<bool> log_intermediate_output_delegate(const char*, DelegateDebugIntId,
                                                  const Tensor&) override {
        return false;
    }
    Result<bool> log_intermediate_output_delegate(
        const char*, DelegateDebugIntId, const executorch::runtime::ArrayRef<Tensor>) override {
        return false;
    }
    Result<bool> log_intermediate_output_delegate(const char*, DelegateDebugIntId,
                                                  const int&) override {
        return false;
    }
    Result<bool> log_intermediate_output_delegate(const char*, DelegateDebugIntId,
                                                  const bool&) override {
        return false;
    }
    Result<bool> log_intermediate_output_delegate(const char*, DelegateDebugIntId,
                                                  const double&) override {
        return false;
    }
    void set_delegation_intermediate_output_filter(
        executorch::runtime::EventTracerFilterBase*) override {}

   private:
    EventTracerEntry begin(const char* name) {
        if (events) {
            *events << "begin " << name << '\n';
            read_clock();
        }
        return EventTracerEntry{};
    }
    void end() {
        if (events) {
            read_clock();
            *events << "end\n";
            in_parts_ = false;
        }
    }
    bool in_parts_ = false;
};

// A program and the inputs of its last run.
class Program {
   public:
    explicit Program(const char* path, std::unique_ptr<Tracer> tracer = nullptr)
        : module_(path, Module::LoadMode::File, std::move(tracer)) {
        if (module_.load_forward() != Error::Ok) fail("executorch cannot load the program");
    }

    void set_inputs(std::vector<std::vector<int64_t>> values, std::vector<int32_t> sizes) {
        values_ = std::move(values);
        tensors_.clear();
        inputs_.clear();
        for (auto& each : values_) {
            tensors_.push_back(executorch::extension::make_tensor_ptr(sizes, each.data(),
                                                                      ScalarType::Long));
            inputs_.emplace_back(*tensors_.back());
        }
    }

    std::vector<EValue> run() {
        auto outputs = module_.forward(inputs_);
        if (!outputs.ok()) fail("executorch cannot run this input");
        return outputs.get();
    }

    const std::vector<std::vector<int64_t>>& values() const { return values_; }

   private:
    Module module_;
    std::vector<std::vector<int64_t>> values_;
    std::vector<TensorPtr> tensors_;
    std::vector<EValue> inputs_;
};

void run_marked(Program& program) {
    program.run();  // allocations happen in the first run
    getppid();
    program.run();
    getppid();
}

class Server {
   public:
    Server(const char* path, FILE* answers) : path_(path), program_(path), answers_(answers) {}

    void serve() {
        std::string line;
        while (std::getline(std::cin, line)) {
            std::istringstream words(line);
            std::string command;
            words >> command;
            if (command == "run") {
                run(words);
            } else if (command == "count") {
                run_marked(program_);
                fputs("counted\n", answers_);
            } else if (command == "profile") {
                profile();
            } else {
                fail("unknown command " + command);
            }
            fflush(answers_);
        }
    }

   private:
    void run(std::istringstream& words) {
        std::string names;  // joined by commas; a program takes them in this order
        words >> names;
        size_t count = std::count(names.begin(), names.end(), ',') + 1, elements = 1;
        sizes_.clear();
        for (int32_t size; words >> size;) {
            sizes_.push_back(size);
            elements *= static_cast<size_t>(size);
        }
        std::vector<std::vector<int64_t>> values(count, std::vector<int64_t>(elements));
        for (auto& each : values)
            std::cin.read(reinterpret_cast<char*>(each.data()), elements * sizeof(int64_t));
        if (!std::cin) fail("the input is incomplete");
        program_.set_inputs(std::move(values), sizes_);
        auto outputs = program_.run();
        fprintf(answers_, "outputs %zu\n", outputs.size());
        for (auto& output : outputs) write(output.toTensor());
    }

    void write(const Tensor& tensor) {
        if (tensor.scalar_type() != ScalarType::Float) fail("an output is not float32");
        fputs("-", answers_);  // a program's outputs have no names
        for (auto size : tensor.sizes()) fprintf(answers_, " %d", static_cast<int>(size));
        fputs("\n", answers_);
        fwrite(tensor.const_data_ptr<float>(), sizeof(float), tensor.numel(), answers_);
    }

    void profile() {
        auto owned = std::make_unique<Tracer>();
        Tracer* tracer = owned.get();
        Program profiled(path_, std::move(owned));
        profiled.set_inputs(program_.values(), sizes_);
        profiled.run();
        std::ostringstream events;
        tracer->events = &events;
        getppid();
        profiled.run();
        getppid();
        tracer->events = nullptr;
        std::string text = events.str();
        fprintf(answers_, "events %zu\n", text.size());
        fwrite(text.data(), 1, text.size(), answers_);
    }

    const char* path_;
    Program program_;
    FILE* answers_;
    std::vector<int32_t> sizes_;
};

}  // namespace

// Takes the place of libc's in all libraries.
extern "C" int clock_gettime(clockid_t clock, timespec* time) {
    static int64_t readings = 0;
    syscall(SYS_clock_gettime, clock, time);  // the plugin prints its count
    int64_t now = ++readings * kStep;
    time->tv_sec = now / 1'000'000'000;
    time->tv_nsec = now % 1'000'000'000;
    return 0;
}

int main(int count, char** arguments) {
    if (count != 2) fail("usage: guest MODEL.pte");
    FILE* answers = fdopen(dup(1), "w");
    dup2(2, 1);  // what a library prints is no answer
    executorch::extension::threadpool::NoThreadPoolGuard one_thread;
    Server(arguments[1], answers).serve();
}
