// A C ABI over libtorch's dispatcher: operators are found by name, called boxed with tagged arguments, and
// arguments that are not given take the schema's defaults, so one build serves every libtorch version.
#include "llmrl_torch.h"

#include <c10/util/Exception.h>

#include <cstdlib>
#include <cstring>
#include <sstream>
#include <vector>

namespace llmrl {

namespace {

thread_local std::string last_error;

enum class Kind { Any, Tensor, Int, Double, Bool, Number, String, Device, Generator, TensorList, OptionalTensorList, IntList, DoubleList, BoolList };

struct Operator {
  c10::OperatorHandle handle;
  std::vector<Kind> kinds;
  std::vector<bool> optional;
  std::vector<Optional<c10::IValue>> defaults;
};

Kind kind_of(c10::TypePtr type) {
  if (type->kind() == c10::TypeKind::OptionalType) {
    type = type->expect<c10::OptionalType>()->getElementType();
  }
  switch (type->kind()) {
    case c10::TypeKind::TensorType: return Kind::Tensor;
    case c10::TypeKind::FloatType: return Kind::Double;
    case c10::TypeKind::BoolType: return Kind::Bool;
    case c10::TypeKind::NumberType: return Kind::Number;
    case c10::TypeKind::StringType: return Kind::String;
    case c10::TypeKind::DeviceObjType: return Kind::Device;
    case c10::TypeKind::GeneratorType: return Kind::Generator;
    case c10::TypeKind::IntType: return Kind::Int;
    case c10::TypeKind::ListType: break;
    default: return Kind::Any;
  }
  c10::TypePtr element = type->expect<c10::ListType>()->getElementType();
  if (element->kind() == c10::TypeKind::OptionalType) return Kind::OptionalTensorList;
  switch (kind_of(element)) {
    case Kind::Tensor: return Kind::TensorList;
    case Kind::Double: return Kind::DoubleList;
    case Kind::Bool: return Kind::BoolList;
    default: return Kind::IntList;
  }
}

c10::IValue tensor_list(const Value& value, bool optional) {
  void** items = static_cast<void**>(value.p);
  if (optional) {
    c10::List<Optional<at::Tensor>> list;
    list.reserve(value.length);
    for (int32_t i = 0; i < value.length; ++i) {
      list.push_back(items[i] == nullptr ? Optional<at::Tensor>() : Optional<at::Tensor>(borrow(items[i])));
    }
    return list;
  }
  c10::List<at::Tensor> list;
  list.reserve(value.length);
  for (int32_t i = 0; i < value.length; ++i) list.push_back(borrow(items[i]));
  return list;
}

c10::IValue int_list(const int64_t* items, int32_t length) {
  return c10::IValue(c10::IntArrayRef(items, static_cast<size_t>(length)));
}

c10::IValue double_list(const double* items, int32_t length) {
  c10::List<double> list;
  for (int32_t i = 0; i < length; ++i) list.push_back(items[i]);
  return list;
}

c10::IValue bool_list(const int64_t* items, int32_t length) {
  c10::List<bool> list;
  for (int32_t i = 0; i < length; ++i) list.push_back(items[i] != 0);
  return list;
}

c10::IValue from_int(const Value& value, Kind kind) {
  switch (kind) {
    case Kind::Double: return static_cast<double>(value.i);
    case Kind::Bool: return value.i != 0;
    case Kind::IntList: return int_list(&value.i, 1);
    default: return value.i;
  }
}

c10::IValue to_ivalue(const Value& value, Kind kind) {
  switch (static_cast<Tag>(value.tag)) {
    case Tag::None: return kind == Kind::Tensor ? c10::IValue(at::Tensor()) : c10::IValue();
    case Tag::Tensor: return borrow(value.p);
    case Tag::Int: return from_int(value, kind);
    case Tag::Double:
      TORCH_CHECK(kind == Kind::Double || kind == Kind::Number, "an integer is expected where ", value.d, " was given");
      return value.d;
    case Tag::Bool:
      if (kind == Kind::Int) return value.i;
      if (kind == Kind::Double) return static_cast<double>(value.i);
      return value.i != 0;
    case Tag::String: return std::string(static_cast<const char*>(value.p), static_cast<size_t>(value.length));
    case Tag::Device:
      return c10::Device(static_cast<c10::DeviceType>(value.length), static_cast<c10::DeviceIndex>(value.i));
    case Tag::Generator: return *static_cast<at::Generator*>(value.p);
    case Tag::TensorList: return tensor_list(value, kind == Kind::OptionalTensorList);
    case Tag::IntList:
      if (kind == Kind::BoolList) return bool_list(static_cast<int64_t*>(value.p), value.length);
      return int_list(static_cast<int64_t*>(value.p), value.length);
    case Tag::DoubleList: return double_list(static_cast<double*>(value.p), value.length);
    case Tag::BoolList: return bool_list(static_cast<int64_t*>(value.p), value.length);
    default: TORCH_CHECK(false, "unknown argument tag ", value.tag);
  }
}

bool fits(Tag tag, Kind kind, bool optional) {
  if (kind == Kind::Any) return true;
  switch (tag) {
    case Tag::None: return optional;
    case Tag::Tensor: return kind == Kind::Tensor;
    case Tag::Int: return kind == Kind::Int || kind == Kind::Double || kind == Kind::Bool || kind == Kind::Number || kind == Kind::IntList;
    case Tag::Double: return kind == Kind::Double || kind == Kind::Number;
    case Tag::Bool: return kind == Kind::Bool || kind == Kind::Int || kind == Kind::Number || kind == Kind::Double;
    case Tag::String: return kind == Kind::String;
    case Tag::Device: return kind == Kind::Device;
    case Tag::Generator: return kind == Kind::Generator;
    case Tag::TensorList: return kind == Kind::TensorList || kind == Kind::OptionalTensorList;
    case Tag::IntList: return kind == Kind::IntList || kind == Kind::BoolList;
    case Tag::DoubleList: return kind == Kind::DoubleList;
    case Tag::BoolList: return kind == Kind::BoolList;
    default: return false;
  }
}

void push_argument(torch::jit::Stack& stack, const Operator& op, size_t index, const Value& value) {
  if (static_cast<Tag>(value.tag) == Tag::Default) {
    const auto& fallback = op.defaults[index];
    TORCH_CHECK(fallback.has_value(), "argument '", op.handle.schema().arguments()[index].name(), "' has no default");
    stack.push_back(*fallback);
    return;
  }
  TORCH_CHECK(fits(static_cast<Tag>(value.tag), op.kinds[index], op.optional[index]), "argument '",
              op.handle.schema().arguments()[index].name(), "' does not take what was given; schema: ", op.handle.schema());
  stack.push_back(to_ivalue(value, op.kinds[index]));
}

template <typename T>
void give_list(Value& out, Tag tag, const std::vector<T>& items) {
  out.tag = static_cast<int32_t>(tag);
  out.length = static_cast<int32_t>(items.size());
  out.p = std::malloc(items.size() * sizeof(T) + 1);
  std::memcpy(out.p, items.data(), items.size() * sizeof(T));
}

void give_value(Value& out, c10::IValue&& value) {
  out = Value{};
  if (value.isTensor()) {
    out.tag = static_cast<int32_t>(Tag::Tensor);
    out.p = give(std::move(value).toTensor());
  } else if (value.isDouble()) {
    out.tag = static_cast<int32_t>(Tag::Double);
    out.d = value.toDouble();
  } else if (value.isBool()) {
    out.tag = static_cast<int32_t>(Tag::Bool);
    out.i = value.toBool() ? 1 : 0;
  } else if (value.isInt()) {
    out.tag = static_cast<int32_t>(Tag::Int);
    out.i = value.toInt();
  } else if (value.isTensorList()) {
    std::vector<void*> items;
    for (const at::Tensor& item : value.toTensorVector()) items.push_back(give(item));
    give_list(out, Tag::TensorList, items);
  } else if (value.isIntList()) {
    give_list(out, Tag::IntList, value.toIntVector());
  } else if (value.isDoubleList()) {
    give_list(out, Tag::DoubleList, value.toDoubleVector());
  } else {
    TORCH_CHECK(value.isNone(), "a result of type ", value.tagKind(), " cannot be returned");
  }
}

}  // namespace

void remember_current_exception() {
  try {
    throw;
  } catch (const c10::Error& e) {
    last_error = e.what_without_backtrace();
  } catch (const std::exception& e) {
    last_error = e.what();
  } catch (...) {
    last_error = "unknown native exception";
  }
}

}  // namespace llmrl

using namespace llmrl;

LLMRL_API const char* llmrl_last_error() { return last_error.c_str(); }

// Finds an operator; null when this libtorch has none of that name and overload.
LLMRL_API void* llmrl_operator(const char* name, const char* overload) {
  return guarded(static_cast<void*>(nullptr), [&]() -> void* {
    auto found = c10::Dispatcher::singleton().findSchema({name, overload});
    TORCH_CHECK(found.has_value(), "libtorch has no such operator");
    auto* op = new Operator{*found, {}, {}, {}};
    for (const auto& argument : found->schema().arguments()) {
      op->kinds.push_back(kind_of(argument.type()));
      op->optional.push_back(argument.type()->kind() == c10::TypeKind::OptionalType);
      op->defaults.push_back(argument.default_value());
    }
    return op;
  });
}

// The schema as libtorch prints it; free with llmrl_free_memory.
LLMRL_API char* llmrl_schema(void* op) {
  return guarded(static_cast<char*>(nullptr), [&] {
    std::ostringstream text;
    text << static_cast<Operator*>(op)->handle.schema();
    return strdup(text.str().c_str());
  });
}

// Calls an operator. Returns how many results it has, -1 on error. Results beyond `capacity` are dropped.
LLMRL_API int32_t llmrl_call(void* opaque, const Value* arguments, int32_t count, Value* results, int32_t capacity) {
  return guarded(-1, [&]() -> int32_t {
    const auto& op = *static_cast<Operator*>(opaque);
    const size_t expected = op.kinds.size();
    TORCH_CHECK(static_cast<size_t>(count) <= expected, count, " arguments given; schema: ", op.handle.schema());
    torch::jit::Stack stack;
    stack.reserve(expected > 4 ? expected : 4);
    for (int32_t i = 0; i < count; ++i) push_argument(stack, op, static_cast<size_t>(i), arguments[i]);
    for (size_t i = static_cast<size_t>(count); i < expected; ++i) {
      TORCH_CHECK(op.defaults[i].has_value(), "argument '", op.handle.schema().arguments()[i].name(), "' is missing; schema: ", op.handle.schema());
      stack.push_back(*op.defaults[i]);
    }
    op.handle.callBoxed(&stack);
    const int32_t returned = static_cast<int32_t>(stack.size());
    for (int32_t i = 0; i < returned && i < capacity; ++i) give_value(results[i], std::move(stack[static_cast<size_t>(i)]));
    return returned;
  });
}

LLMRL_API void llmrl_free_memory(void* memory) { std::free(memory); }
