// Shared by the files of the shim: the tagged value that crosses the C boundary, and error handling.
#pragma once

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/version.h>

#include <cstdint>
#include <exception>
#include <optional>
#include <string>

#define LLMRL_API extern "C" __attribute__((visibility("default")))

namespace llmrl {

// libtorch had an optional of its own, which became std's and then went away.
#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 5)
template <typename T>
using Optional = std::optional<T>;
#else
template <typename T>
using Optional = c10::optional<T>;
#endif

// The numbers are mirrored by LlmRL.Native.ValueTag.
enum class Tag : int32_t {
  None = 0,
  Default = 1,      // take the schema's default
  Tensor = 2,       // payload: TensorImpl* (null: undefined tensor)
  Int = 3,
  Double = 4,
  Bool = 5,
  String = 6,       // payload: UTF-8 bytes, length: their count
  Device = 7,       // payload: index, length: type
  Generator = 8,    // payload: at::Generator*
  TensorList = 9,   // payload: TensorImpl**, null entries are absent tensors
  IntList = 10,     // payload: int64_t*
  DoubleList = 11,  // payload: double*
  BoolList = 12,    // payload: int64_t*
};

struct Value {
  int32_t tag;
  int32_t length;
  union {
    int64_t i;
    double d;
    void* p;
  };
};
static_assert(sizeof(Value) == 16, "mirrored by LlmRL.Native.NativeValue");

// Keeps the message of the exception in flight for llmrl_last_error.
void remember_current_exception();

// Runs `body`; on an exception stores the message and returns `failed`.
template <typename R, typename F>
R guarded(R failed, F&& body) {
  try {
    return body();
  } catch (...) {
    remember_current_exception();
    return failed;
  }
}

using Impl = c10::TensorImpl;
using TensorPtr = c10::intrusive_ptr<Impl, c10::UndefinedTensorImpl>;

// A new reference to a tensor that managed code owns one reference of.
inline at::Tensor borrow(void* impl) {
  return impl == nullptr ? at::Tensor() : at::Tensor(TensorPtr::reclaim_copy(static_cast<Impl*>(impl)));
}

// Hands one reference over to managed code; undefined tensors become null.
inline void* give(at::Tensor tensor) {
  return tensor.defined() ? tensor.unsafeReleaseTensorImpl() : nullptr;
}

}  // namespace llmrl
