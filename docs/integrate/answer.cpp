// Runs an artifact's model.onnx with ONNX Runtime's C API: prints the logits of one text.
//
//     g++ -std=c++17 answer.cpp -I include -L lib -lonnxruntime -o answer
//     ./answer assistant/model.onnx 2 873 64 3
//
// The arguments are the token ids, [CLS] and [SEP] included.
#include <onnxruntime_c_api.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

static const OrtApi* ort = nullptr;

// ONNX Runtime returns a status for every call; null means success.
static void check(OrtStatus* status) {
  if (status == nullptr) return;
  std::fprintf(stderr, "error: %s\n", ort->GetErrorMessage(status));
  ort->ReleaseStatus(status);
  std::exit(1);
}

// A tensor [1, size] of int64 that uses the memory of numbers.
static OrtValue* row(const OrtMemoryInfo* memory, std::vector<int64_t>& numbers) {
  const int64_t shape[] = {1, static_cast<int64_t>(numbers.size())};
  OrtValue* tensor = nullptr;
  check(ort->CreateTensorWithDataAsOrtValue(memory, numbers.data(), numbers.size() * sizeof(int64_t), shape, 2,
                                            ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64, &tensor));
  return tensor;
}

int main(int count, char** arguments) {
  if (count < 3) {
    std::fprintf(stderr, "usage: answer MODEL.onnx ID...\n");
    return 2;
  }
  ort = OrtGetApiBase()->GetApi(ORT_API_VERSION);
  if (ort == nullptr) {
    std::fprintf(stderr, "error: the library is older than its header: ONNX Runtime %s\n",
                 OrtGetApiBase()->GetVersionString());
    return 1;
  }
  OrtEnv* environment = nullptr;
  OrtSessionOptions* options = nullptr;
  OrtSession* session = nullptr;
  OrtMemoryInfo* memory = nullptr;
  check(ort->CreateEnv(ORT_LOGGING_LEVEL_ERROR, "answer", &environment));
  check(ort->CreateSessionOptions(&options));
  check(ort->SetIntraOpNumThreads(options, 1));
  check(ort->CreateSession(environment, arguments[1], options, &session));  // by its path: the weights lie beside it
  check(ort->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &memory));

  std::vector<int64_t> ids, mask, types;
  for (int index = 2; index < count; ++index) ids.push_back(std::atoll(arguments[index]));
  mask.assign(ids.size(), 1);
  types.assign(ids.size(), 0);
  const char* names[] = {"input_ids", "attention_mask", "token_type_ids"};
  const char* wanted[] = {"logits"};
  OrtValue* inputs[] = {row(memory, ids), row(memory, mask), row(memory, types)};
  OrtValue* output = nullptr;
  check(ort->Run(session, nullptr, names, inputs, 3, wanted, 1, &output));

  OrtTensorTypeAndShapeInfo* shape = nullptr;
  size_t size = 0;
  float* logits = nullptr;
  check(ort->GetTensorTypeAndShape(output, &shape));
  check(ort->GetTensorShapeElementCount(shape, &size));
  check(ort->GetTensorMutableData(output, reinterpret_cast<void**>(&logits)));
  for (size_t index = 0; index < size; ++index) std::printf("%zu %.5f\n", index, logits[index]);

  ort->ReleaseTensorTypeAndShapeInfo(shape);
  ort->ReleaseValue(output);
  for (OrtValue* input : inputs) ort->ReleaseValue(input);
  ort->ReleaseMemoryInfo(memory);
  ort->ReleaseSession(session);
  ort->ReleaseSessionOptions(options);
  ort->ReleaseEnv(environment);
}
