// Gradients: backward, grad, gradient modes, and autograd functions whose backward pass is managed code.
#include "llmrl_torch.h"

#include <c10/core/GradMode.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/csrc/autograd/variable.h>

#include <memory>
#include <stdexcept>
#include <type_traits>
#include <vector>

using namespace llmrl;

namespace {

std::vector<at::Tensor> borrow_all(void** items, int32_t count) {
  std::vector<at::Tensor> tensors;
  tensors.reserve(static_cast<size_t>(count));
  for (int32_t i = 0; i < count; ++i) tensors.push_back(borrow(items[i]));
  return tensors;
}

// Mirrored by LlmRL.Native.CustomFunction.
enum Action : int32_t { Backward = 0, ReleaseSaved = 1, Destroy = 2 };

// action Backward: `incoming` holds borrowed gradients (null: undefined), `needed[i]` tells whether input i wants one,
// `outgoing[i]` receives an owned tensor or null. Non-zero result: failure, text in `message` (of `capacity` bytes).
using Callback = int32_t (*)(void* context, int32_t action, void** incoming, int32_t incoming_count, const uint8_t* needed,
                             void** outgoing, int32_t outgoing_count, char* message, int32_t capacity);

struct ManagedNode : public torch::autograd::Node {
  ManagedNode(Callback callback, void* context) : callback_(callback), context_(context) {}

  ~ManagedNode() override { notify(Destroy); }

  torch::autograd::variable_list apply(torch::autograd::variable_list&& gradients) override {
    std::vector<void*> incoming;
    for (const auto& gradient : gradients) incoming.push_back(gradient.defined() ? gradient.unsafeGetTensorImpl() : nullptr);
    const size_t count = num_outputs();
    std::vector<uint8_t> needed(count);
    for (size_t i = 0; i < count; ++i) needed[i] = task_should_compute_output(i) ? 1 : 0;
    std::vector<void*> outgoing(count, nullptr);
    char message[1024] = {0};
    const int32_t status = callback_(context_, Backward, incoming.data(), static_cast<int32_t>(incoming.size()), needed.data(),
                                     outgoing.data(), static_cast<int32_t>(count), message, sizeof(message));
    torch::autograd::variable_list result;
    for (void* item : outgoing) {
      result.push_back(item == nullptr ? at::Tensor() : at::Tensor(TensorPtr::reclaim(static_cast<Impl*>(item))));
    }
    if (status != 0) throw std::runtime_error(message);
    return result;
  }

  void release_variables() override { notify(ReleaseSaved); }

  std::string name() const override { return "ManagedFunction"; }

 private:
  void notify(Action action) { callback_(context_, action, nullptr, 0, nullptr, nullptr, 0, nullptr, 0); }

  Callback callback_;
  void* context_;
};

// Nodes were counted by std::shared_ptr in libtorch 1 and most of 2, by c10::intrusive_ptr since: the headers say which.
using NodePointer = decltype(torch::autograd::Edge::function);

template <typename Pointer, typename Base>
Pointer make_node(Callback callback, void* context) {
  if constexpr (std::is_same_v<Pointer, std::shared_ptr<Base>>) {
    // deleteNode unwinds long chains iteratively, so that deep graphs do not exhaust the stack.
    return Pointer(new ManagedNode(callback, context), [](Base* node) { deleteNode(node); });
  } else {
    return c10::make_intrusive<ManagedNode>(callback, context);
  }
}

}  // namespace

LLMRL_API int32_t llmrl_requires_grad(void* impl) { return borrow(impl).requires_grad() ? 1 : 0; }

LLMRL_API int32_t llmrl_set_requires_grad(void* impl, int32_t value) {
  return guarded(-1, [&]() -> int32_t { borrow(impl).set_requires_grad(value != 0); return 0; });
}

LLMRL_API int32_t llmrl_is_leaf(void* impl) { return borrow(impl).is_leaf() ? 1 : 0; }

LLMRL_API int32_t llmrl_retain_grad(void* impl) {
  return guarded(-1, [&]() -> int32_t { borrow(impl).retain_grad(); return 0; });
}

// The accumulated gradient (a new reference), null when there is none.
LLMRL_API void* llmrl_get_grad(void* impl) {
  return guarded(static_cast<void*>(nullptr), [&]() -> void* { return give(borrow(impl).mutable_grad()); });
}

LLMRL_API int32_t llmrl_set_grad(void* impl, void* gradient) {
  return guarded(-1, [&]() -> int32_t {
    at::Tensor target = borrow(impl);
    at::Tensor value = borrow(gradient);
    TORCH_CHECK(!value.defined() || value.sizes() == target.sizes(), "a gradient of shape ", value.sizes(), " for a tensor of shape ", target.sizes());
    target.mutable_grad() = value;
    return 0;
  });
}

LLMRL_API int32_t llmrl_grad_enabled() { return c10::GradMode::is_enabled() ? 1 : 0; }

LLMRL_API void llmrl_set_grad_enabled(int32_t enabled) { c10::GradMode::set_enabled(enabled != 0); }

LLMRL_API void* llmrl_inference_mode_enter(int32_t enabled) { return new c10::InferenceMode(enabled != 0); }

LLMRL_API void llmrl_inference_mode_leave(void* guard) { delete static_cast<c10::InferenceMode*>(guard); }

LLMRL_API int32_t llmrl_inference_mode_enabled() { return c10::InferenceMode::is_enabled() ? 1 : 0; }

LLMRL_API int32_t llmrl_backward(void** tensors, int32_t count, void** gradients, int32_t gradient_count, int32_t retain_graph,
                                 int32_t create_graph, void** inputs, int32_t input_count) {
  return guarded(-1, [&]() -> int32_t {
    torch::autograd::backward(borrow_all(tensors, count), borrow_all(gradients, gradient_count), retain_graph != 0, create_graph != 0,
                              borrow_all(inputs, input_count));
    return 0;
  });
}

// Writes one owned gradient per input to `results` (null where unused and allowed).
LLMRL_API int32_t llmrl_grad(void** outputs, int32_t output_count, void** inputs, int32_t input_count, void** gradients,
                             int32_t gradient_count, int32_t retain_graph, int32_t create_graph, int32_t allow_unused, void** results) {
  return guarded(-1, [&]() -> int32_t {
    auto found = torch::autograd::grad(borrow_all(outputs, output_count), borrow_all(inputs, input_count),
                                       borrow_all(gradients, gradient_count), retain_graph != 0, create_graph != 0, allow_unused != 0);
    for (size_t i = 0; i < found.size(); ++i) results[i] = give(found[i]);
    return 0;
  });
}

// Makes `outputs` (computed without recording) the results of a function of `inputs` whose backward pass is `callback`.
// Returns 1 when a node was attached, 0 when no input wants a gradient (the context is destroyed at once), -1 on error.
LLMRL_API int32_t llmrl_custom_function(void** inputs, int32_t input_count, void** outputs, int32_t output_count, Callback callback,
                                        void* context) {
  return guarded(-1, [&]() -> int32_t {
    const NodePointer node = make_node<NodePointer, torch::autograd::Node>(callback, context);
    torch::autograd::variable_list variables = borrow_all(inputs, input_count);
    bool wanted = false;
    for (const auto& variable : variables) wanted = wanted || (variable.defined() && variable.requires_grad());
    if (!wanted || !c10::GradMode::is_enabled()) return 0;
    node->set_next_edges(torch::autograd::collect_next_edges(variables));
    for (at::Tensor& output : borrow_all(outputs, output_count)) {
      TORCH_CHECK(!output.requires_grad(), "an output of a custom function must be computed with gradients off");
      torch::autograd::set_history(output, node);
    }
    return 1;
  });
}
