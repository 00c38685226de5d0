using LlmRL.Native;
using TorchSharp.Utils;

namespace TorchSharp;

public static partial class torch
{
    public partial class Tensor
    {
        /// <summary>The values on another device.</summary>
        public Tensor to(DeviceType deviceType, int deviceIndex = -1, bool copy = false, bool disposeAfter = false, bool non_blocking = false) =>
            to(new Device(deviceType, deviceIndex), copy, disposeAfter, non_blocking);

        /// <summary>The values on another device, as another dtype.</summary>
        public Tensor to(ScalarType type, Device device, bool copy = false, bool disposeAfter = false, bool non_blocking = false) =>
            After(Aten.ToDevice.Call(this, device, type, non_blocking, copy), disposeAfter);

        /// <summary>The values as another dtype.</summary>
        public Tensor to(ScalarType type, bool copy = false, bool disposeAfter = false, bool non_blocking = false) =>
            After(Aten.ToDtype.Call(this, type, non_blocking, copy), disposeAfter);

        /// <summary>The values on another device.</summary>
        public Tensor to(string device, bool copy = false, bool disposeAfter = false, bool non_blocking = false) =>
            to(new Device(device), copy, disposeAfter, non_blocking);

        /// <summary>The values on another device.</summary>
        public Tensor to(Device device, bool copy = false, bool disposeAfter = false, bool non_blocking = false) =>
            After(Aten.ToDevice.Call(this, device, dtype, non_blocking, copy), disposeAfter);

        /// <summary>The values with dtype and device of another tensor.</summary>
        public Tensor to(Tensor other, bool non_blocking = false) => Aten.ToOther.Call(this, other, non_blocking);

        /// <summary>The values as another dtype.</summary>
        public Tensor to_type(ScalarType type, bool copy = false, bool disposeAfter = false, bool non_blocking = false) =>
            to(type, copy, disposeAfter, non_blocking);

        /// <summary>The values with the dtype of another tensor.</summary>
        public Tensor type_as(Tensor tensor) => to_type(tensor.dtype);

        /// <summary>The values in host memory.</summary>
        public Tensor cpu() => to(CPU);

        /// <summary>The values on a GPU.</summary>
        public Tensor cuda(Device? device = null, bool non_blocking = false) => to(device ?? CUDA, non_blocking: non_blocking);

        /// <summary>The values as 32-bit floats.</summary>
        public Tensor @float() => to_type(ScalarType.Float32);

        /// <summary>The values as 16-bit floats.</summary>
        public Tensor half() => to_type(ScalarType.Float16);

        /// <summary>The values as brain floats.</summary>
        public Tensor bfloat16() => to_type(ScalarType.BFloat16);

        /// <summary>The values as 64-bit floats.</summary>
        public Tensor @double() => to_type(ScalarType.Float64);

        /// <summary>The values as 64-bit integers.</summary>
        public Tensor @long() => to_type(ScalarType.Int64);

        /// <summary>The values as 32-bit integers.</summary>
        public Tensor @int() => to_type(ScalarType.Int32);

        /// <summary>Whether values are not zero.</summary>
        public Tensor @bool() => to_type(ScalarType.Bool);

        /// <summary>A copy in page-locked host memory, for fast transfers to a GPU.</summary>
        public Tensor pin_memory() => Aten.PinMemory.Call(this);

        /// <summary>Whether the memory is page-locked.</summary>
        public bool is_pinned() => Aten.IsPinned.CallScalar(this).ToBoolean();

        /// <summary>The same memory without history.</summary>
        public Tensor detach() => Aten.Detach.Call(this);

        /// <summary>In place: forgets the history.</summary>
        public Tensor detach_() => Self(Aten.DetachInPlace.Run(this));

        /// <summary>In place: shares the memory of the source from now on.</summary>
        public Tensor set_(Tensor source) => Self(Aten.SetInPlaceSourceTensor.Run(this, source));

        /// <summary>The value of a tensor with one element.</summary>
        public Scalar ToScalar() => Aten.Item.CallScalar(this);

        /// <summary>Element by flat index.</summary>
        public float ReadCpuSingle(long i) => data<float>()[i];

        /// <summary>Element by flat index.</summary>
        public long ReadCpuInt64(long i) => data<long>()[i];

        /// <summary>Element by flat index.</summary>
        public T ReadCpuValue<T>(long i) where T : unmanaged => data<T>()[i];

        /// <summary>Reads and writes elements in place (CPU only).</summary>
        public TensorAccessor<T> data<T>() where T : unmanaged => new(this);

        /// <summary>The value of a tensor with one element, converted to T.</summary>
        public T item<T>() where T : unmanaged
        {
            Scalar value = ToScalar();
            if (typeof(T) == typeof(float)) return (T)(object)value.ToSingle();
            if (typeof(T) == typeof(double)) return (T)(object)value.ToDouble();
            if (typeof(T) == typeof(long)) return (T)(object)value.ToInt64();
            if (typeof(T) == typeof(int)) return (T)(object)value.ToInt32();
            if (typeof(T) == typeof(bool)) return (T)(object)value.ToBoolean();
            if (typeof(T) == typeof(byte)) return (T)(object)checked((byte)value.ToInt64());
            if (typeof(T) == typeof(sbyte)) return (T)(object)checked((sbyte)value.ToInt64());
            if (typeof(T) == typeof(short)) return (T)(object)checked((short)value.ToInt64());
            if (typeof(T) == typeof(Half)) return (T)(object)(Half)value.ToDouble();
            if (typeof(T) == typeof(BFloat16)) return (T)(object)(BFloat16)value.ToDouble();
            throw new NotSupportedException($"item cannot return {typeof(T).Name}.");
        }

        private Tensor After(Tensor result, bool disposeAfter)
        {
            if (disposeAfter) Dispose();
            return result;
        }
    }
}
