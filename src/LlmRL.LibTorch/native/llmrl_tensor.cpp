// Tensor metadata, ownership, memory from .NET, generators, threads and devices.
#include "llmrl_torch.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/ops/from_blob.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <dlfcn.h>

#include <mutex>

using namespace llmrl;

namespace {

// Mirrored by LlmRL.Native.TensorInfo. The pointers live as long as the tensor keeps its shape.
struct Info {
  const int64_t* sizes;
  const int64_t* strides;
  void* data;
  int64_t numel;
  int64_t storage_offset;
  int32_t dimensions;
  int32_t dtype;
  int32_t device_type;
  int32_t device_index;
  int32_t contiguous;
  int32_t element_size;
};

}  // namespace

// Fills `info`; false for tensors without dense storage (sparse).
LLMRL_API int32_t llmrl_tensor_info(void* impl, Info* info) {
  auto* tensor = static_cast<Impl*>(impl);
  return guarded(0, [&]() -> int32_t {
    info->sizes = tensor->sizes().data();
    info->strides = tensor->strides().data();
    info->numel = tensor->numel();
    info->dimensions = static_cast<int32_t>(tensor->dim());
    info->dtype = static_cast<int32_t>(c10::typeMetaToScalarType(tensor->dtype()));
    const c10::Device device = tensor->device();
    info->device_type = static_cast<int32_t>(device.type());
    info->device_index = device.index();
    info->contiguous = tensor->is_contiguous() ? 1 : 0;
    info->element_size = static_cast<int32_t>(tensor->itemsize());
    const bool stored = tensor->has_storage();
    info->storage_offset = stored ? tensor->storage_offset() : 0;
    info->data = stored && tensor->numel() > 0 ? const_cast<void*>(static_cast<const void*>(tensor->data())) : nullptr;
    return 1;
  });
}

LLMRL_API void llmrl_tensor_free(void* impl) { TensorPtr::reclaim(static_cast<Impl*>(impl)); }

// Another reference to the same tensor (not a copy).
LLMRL_API void* llmrl_tensor_alias(void* impl) { return give(borrow(impl)); }

// Wraps memory without copying it. `release(context)` runs when the last tensor on it dies; may be null.
LLMRL_API void* llmrl_tensor_from_memory(void* data, const int64_t* sizes, const int64_t* strides, int32_t dimensions, int32_t dtype,
                                         int32_t device_type, int32_t device_index, void (*release)(void*), void* context) {
  return guarded(static_cast<void*>(nullptr), [&]() -> void* {
    const c10::Device device(static_cast<c10::DeviceType>(device_type), static_cast<c10::DeviceIndex>(device_index));
    const auto options = at::TensorOptions().dtype(static_cast<c10::ScalarType>(dtype)).device(device);
    auto maker = at::for_blob(data, c10::IntArrayRef(sizes, static_cast<size_t>(dimensions)));
    if (strides != nullptr) maker.strides(c10::IntArrayRef(strides, static_cast<size_t>(dimensions)));
    if (release != nullptr) maker.deleter([release, context](void*) { release(context); });
    return give(maker.options(options).target_device(device).make_tensor());
  });
}

LLMRL_API void* llmrl_generator_new(int64_t seed) {
  return guarded(static_cast<void*>(nullptr), [&]() -> void* {
    return new at::Generator(at::make_generator<at::CPUGeneratorImpl>(static_cast<uint64_t>(seed)));
  });
}

LLMRL_API void llmrl_generator_free(void* generator) { delete static_cast<at::Generator*>(generator); }

LLMRL_API int32_t llmrl_generator_seed(void* generator, int64_t seed) {
  return guarded(-1, [&]() -> int32_t {
    auto& target = *static_cast<at::Generator*>(generator);
    std::lock_guard<std::mutex> lock(target.mutex());
    target.set_current_seed(static_cast<uint64_t>(seed));
    return 0;
  });
}

LLMRL_API void* llmrl_generator_get_state(void* generator) {
  return guarded(static_cast<void*>(nullptr), [&]() -> void* {
    auto& target = *static_cast<at::Generator*>(generator);
    std::lock_guard<std::mutex> lock(target.mutex());
    return give(target.get_state());
  });
}

LLMRL_API int32_t llmrl_generator_set_state(void* generator, void* state) {
  return guarded(-1, [&]() -> int32_t {
    auto& target = *static_cast<at::Generator*>(generator);
    std::lock_guard<std::mutex> lock(target.mutex());
    target.set_state(borrow(state));
    return 0;
  });
}

LLMRL_API const char* llmrl_version() { return TORCH_VERSION; }

LLMRL_API int32_t llmrl_get_num_threads() { return at::get_num_threads(); }

LLMRL_API int32_t llmrl_set_num_threads(int32_t count) {
  return guarded(-1, [&]() -> int32_t { at::set_num_threads(count); return 0; });
}

LLMRL_API int32_t llmrl_get_num_interop_threads() { return static_cast<int32_t>(at::get_num_interop_threads()); }

LLMRL_API int32_t llmrl_set_num_interop_threads(int32_t count) {
  return guarded(-1, [&]() -> int32_t { at::set_num_interop_threads(count); return 0; });
}

LLMRL_API int32_t llmrl_cuda_device_count() {
  return guarded(0, [&]() -> int32_t {
    if (!at::hasCUDA() || !c10::impl::hasDeviceGuardImpl(c10::kCUDA)) return 0;
    return static_cast<int32_t>(c10::impl::VirtualGuardImpl(c10::kCUDA).deviceCount());
  });
}

// Waits for the current stream of a device (-1: the current device).
LLMRL_API int32_t llmrl_cuda_synchronize(int32_t index) {
  return guarded(-1, [&]() -> int32_t {
    c10::impl::VirtualGuardImpl guard(c10::kCUDA);
    const c10::Device device = index < 0 ? guard.getDevice() : c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(index));
    guard.getStream(device).synchronize();
    return 0;
  });
}

LLMRL_API int32_t llmrl_cuda_set_device(int32_t index) {
  return guarded(-1, [&]() -> int32_t {
    c10::impl::VirtualGuardImpl(c10::kCUDA).setDevice(c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(index)));
    return 0;
  });
}

// Bytes of the current device's memory that are free, and all it has. The CUDA runtime that libtorch itself loaded is asked by name: its headers need not be installed.
LLMRL_API int32_t llmrl_cuda_memory(int64_t* free_bytes, int64_t* total_bytes) {
  return guarded(-1, [&]() -> int32_t {
    using Query = int (*)(size_t*, size_t*);
    const auto query = reinterpret_cast<Query>(dlsym(RTLD_DEFAULT, "cudaMemGetInfo"));
    TORCH_CHECK(query != nullptr, "this libtorch loaded no CUDA runtime");
    size_t available = 0, all = 0;
    const int status = query(&available, &all);
    TORCH_CHECK(status == 0, "cudaMemGetInfo failed with status ", status);
    *free_bytes = static_cast<int64_t>(available);
    *total_bytes = static_cast<int64_t>(all);
    return 0;
  });
}

// How libtorch was built: BLAS, OpenMP, CPU capability. Free with llmrl_free_memory.
LLMRL_API char* llmrl_config() {
  return guarded(static_cast<char*>(nullptr), [&] { return strdup((at::show_config() + at::get_parallel_info()).c_str()); });
}
