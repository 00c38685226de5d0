using System.Text;
using LlmRL.Native;

namespace TorchSharp;

public static partial class torch
{
    public partial class Tensor
    {
        internal unsafe TensorInfo Info
        {
            get
            {
                TensorInfo info;
                if (NativeMethods.llmrl_tensor_info(Handle, &info) == 0) throw NativeTorch.Failure("tensor metadata");
                GC.KeepAlive(this);
                return info;
            }
        }

        /// <summary>Number of dimensions.</summary>
        public long Dimensions => Info.Dimensions;

        /// <summary>Number of dimensions.</summary>
        public long ndim => Info.Dimensions;

        /// <summary>Number of elements.</summary>
        public long NumberOfElements => Info.Numel;

        /// <summary>Bytes of one element.</summary>
        public long ElementSize => Info.ElementSize;

        /// <summary>Element type.</summary>
        public ScalarType dtype => (ScalarType)Info.DType;

        /// <summary>Where the tensor lives.</summary>
        public Device device
        {
            get
            {
                TensorInfo info = Info;
                return info is { DeviceType: 0, DeviceIndex: < 0 } ? CPU : new Device((DeviceType)info.DeviceType, info.DeviceIndex);
            }
        }

        /// <summary>Kind of device.</summary>
        public DeviceType device_type => (DeviceType)Info.DeviceType;

        /// <summary>Which device of its kind, -1 where there is only one.</summary>
        public int device_index => Info.DeviceIndex;

        /// <summary>Whether the tensor lives on a GPU.</summary>
        public bool is_cuda => device_type == DeviceType.CUDA;

        /// <summary>Whether the tensor has no memory.</summary>
        public bool is_meta => device_type == DeviceType.META;

        /// <summary>Sizes of the dimensions (a new array at each read).</summary>
        public unsafe long[] shape
        {
            get
            {
                TensorInfo info = Info;
                long[] sizes = new ReadOnlySpan<long>(info.Sizes, info.Dimensions).ToArray();
                GC.KeepAlive(this);
                return sizes;
            }
        }

        /// <summary>The elements of a contiguous CPU tensor as raw bytes; the tensor must stay alive while the span is used.</summary>
        public unsafe Span<byte> bytes
        {
            get
            {
                TensorInfo info = Info;
                if (info.DeviceType != 0 || info.Contiguous == 0) throw new InvalidOperationException("bytes needs a contiguous CPU tensor: call cpu().contiguous() first.");
                return new Span<byte>(info.Data, checked((int)(info.Numel * info.ElementSize)));
            }
            set
            {
                Span<byte> target = bytes;
                if (value.Length != target.Length) throw new ArgumentException($"{value.Length} bytes for a tensor of {target.Length}.");
                value.CopyTo(target);
                GC.KeepAlive(this);
            }
        }

        /// <summary>Number of dimensions.</summary>
        public long dim() => Info.Dimensions;

        /// <summary>Number of elements.</summary>
        public long numel() => Info.Numel;

        /// <summary>Size of one dimension; negative counts from the last.</summary>
        public unsafe long size(int dim)
        {
            TensorInfo info = Info;
            long size = info.Sizes[Wrap(dim, info.Dimensions)];
            GC.KeepAlive(this);
            return size;
        }

        /// <summary>Sizes of the dimensions.</summary>
        public long[] size() => shape;

        /// <summary>Elements between neighbours, per dimension.</summary>
        public unsafe long[] stride()
        {
            TensorInfo info = Info;
            long[] strides = new ReadOnlySpan<long>(info.Strides, info.Dimensions).ToArray();
            GC.KeepAlive(this);
            return strides;
        }

        /// <summary>Elements between neighbours along one dimension; negative counts from the last.</summary>
        public unsafe long stride(int dim)
        {
            TensorInfo info = Info;
            long stride = info.Strides[Wrap(dim, info.Dimensions)];
            GC.KeepAlive(this);
            return stride;
        }

        /// <summary>Bytes of one element.</summary>
        public long element_size() => Info.ElementSize;

        /// <summary>Index of the first element in the memory that views share.</summary>
        public long storage_offset() => Info.StorageOffset;

        /// <summary>Whether elements lie in row-major order without gaps.</summary>
        public bool is_contiguous() => Info.Contiguous != 0;

        /// <summary>Shape, dtype and, for small CPU tensors, the values.</summary>
        public override string ToString()
        {
            if (IsInvalid) return "disposed tensor";
            const int Shown = 32;
            StringBuilder text = new();
            text.Append('[').AppendJoin('x', shape).Append("], type = ").Append(dtype).Append(", device = ").Append(device);
            if (device_type != DeviceType.CPU || numel() > Shown) return text.ToString();
            using Tensor values = detach();
            using Tensor wide = values.to_type(dtype.IsFloatingPoint() ? ScalarType.Float64 : ScalarType.Int64);
            text.Append(", values = [");
            if (wide.dtype == ScalarType.Float64) text.AppendJoin(", ", wide.data<double>().ToArray());
            else text.AppendJoin(", ", wide.data<long>().ToArray());
            return text.Append(']').ToString();
        }

        private static int Wrap(int dim, int dimensions)
        {
            int wrapped = dim < 0 ? dim + dimensions : dim;
            if ((uint)wrapped >= (uint)dimensions) throw new ArgumentOutOfRangeException(nameof(dim), dim, $"the tensor has {dimensions} dimensions");
            return wrapped;
        }
    }
}
