// CUDA graphs: a sequence of operators is recorded once and launched again as one. Built where CUDA's headers are (build.sh defines LLMRL_CUDA_GRAPHS); elsewhere
// the functions are there and say that they cannot.
#include "llmrl_torch.h"

#ifdef LLMRL_CUDA_GRAPHS
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAStream.h>

#include <optional>
#endif

using namespace llmrl;

#ifdef LLMRL_CUDA_GRAPHS

namespace {

// The type has moved between namespaces.
using Pool = decltype(at::cuda::graph_pool_handle());

// CUDA records on a stream that is not the default one; so do the runs before it, which load kernels and make cuBLAS's workspaces.
struct Recording {
  Recording(c10::DeviceIndex index, const Recording* shared)
      : device(index),
        side(shared != nullptr ? shared->side : c10::cuda::getStreamFromPool(false, index)),
        pool(shared != nullptr ? shared->pool : at::cuda::graph_pool_handle()) {}

  void enter() {
    const c10::cuda::CUDAStream current = c10::cuda::getCurrentCUDAStream(device);
    current.synchronize();
    outer = current;
    c10::cuda::setCurrentCUDAStream(side);
  }

  void leave() {
    c10::cuda::setCurrentCUDAStream(*outer);
    outer.reset();
  }

  c10::DeviceIndex device;
  c10::cuda::CUDAStream side;
  Pool pool;
  at::cuda::CUDAGraph graph;
  std::optional<c10::cuda::CUDAStream> outer;
};

// Ends a recording that cannot be used, so that the stream and the allocator are as before it.
void abandon(Recording& recording) {
  cudaGraph_t unfinished = nullptr;
  cudaStreamEndCapture(recording.side.stream(), &unfinished);
  if (unfinished != nullptr) cudaGraphDestroy(unfinished);
  (void)cudaGetLastError();
  try {
    c10::cuda::CUDACachingAllocator::endAllocateToPool(recording.device, recording.pool);
    c10::cuda::CUDACachingAllocator::releasePool(recording.device, recording.pool);
  } catch (const std::exception&) {
    // The recording had ended already, and has given the pool back or will with the graph.
  }
}

Recording& of(void* recording) { return *static_cast<Recording*>(recording); }

}  // namespace

LLMRL_API int32_t llmrl_graph_supported() { return 1; }

// A recording to be made on a device (-1: the current one), or null where it fails. It takes the stream of another one and shares the memory of its tensors, unless
// that is null: two that share are never to run at once.
LLMRL_API void* llmrl_graph_new(int32_t device, void* shared) {
  return guarded(static_cast<void*>(nullptr), [&]() -> void* {
    const auto index = device < 0 ? c10::cuda::current_device() : static_cast<c10::DeviceIndex>(device);
    return new Recording(index, static_cast<const Recording*>(shared));
  });
}

// From here to llmrl_graph_side_end this thread's operators run on the recording's own stream.
LLMRL_API int32_t llmrl_graph_side_begin(void* recording) {
  return guarded(-1, [&]() -> int32_t { of(recording).enter(); return 0; });
}

LLMRL_API int32_t llmrl_graph_side_end(void* recording) {
  return guarded(-1, [&]() -> int32_t {
    of(recording).leave();
    of(recording).side.synchronize();
    return 0;
  });
}

// From here to llmrl_graph_capture_end this thread's operators are recorded and not run. Other threads may go on using CUDA.
LLMRL_API int32_t llmrl_graph_capture_begin(void* recording) {
  return guarded(-1, [&]() -> int32_t {
    of(recording).enter();
    try {
      of(recording).graph.capture_begin(of(recording).pool, cudaStreamCaptureModeThreadLocal);
    } catch (...) {
      abandon(of(recording));
      of(recording).leave();
      throw;
    }
    return 0;
  });
}

// Ends the recording; with keep = 0, or where it fails, it is thrown away.
LLMRL_API int32_t llmrl_graph_capture_end(void* recording, int32_t keep) {
  return guarded(-1, [&]() -> int32_t {
    try {
      if (keep != 0) {
        of(recording).graph.capture_end();
      } else {
        abandon(of(recording));
      }
    } catch (...) {
      abandon(of(recording));
      of(recording).leave();
      throw;
    }
    of(recording).leave();
    return 0;
  });
}

// Launches what was recorded on the current stream.
LLMRL_API int32_t llmrl_graph_replay(void* recording) {
  return guarded(-1, [&]() -> int32_t { of(recording).graph.replay(); return 0; });
}

// Gives the graph and the memory of its tensors back, once the device is done with them.
LLMRL_API void llmrl_graph_free(void* recording) {
  guarded(-1, [&]() -> int32_t {
    c10::cuda::getCurrentCUDAStream(of(recording).device).synchronize();
    return 0;
  });
  delete static_cast<Recording*>(recording);
}

#else

namespace {

int32_t unsupported() {
  return guarded(-1, []() -> int32_t { TORCH_CHECK(false, "the shim was built without CUDA's headers"); });
}

}  // namespace

LLMRL_API int32_t llmrl_graph_supported() { return 0; }

LLMRL_API void* llmrl_graph_new(int32_t, void*) {
  unsupported();
  return nullptr;
}

LLMRL_API int32_t llmrl_graph_side_begin(void*) { return unsupported(); }

LLMRL_API int32_t llmrl_graph_side_end(void*) { return unsupported(); }

LLMRL_API int32_t llmrl_graph_capture_begin(void*) { return unsupported(); }

LLMRL_API int32_t llmrl_graph_capture_end(void*, int32_t) { return unsupported(); }

LLMRL_API int32_t llmrl_graph_replay(void*) { return unsupported(); }

LLMRL_API void llmrl_graph_free(void*) {}

#endif
