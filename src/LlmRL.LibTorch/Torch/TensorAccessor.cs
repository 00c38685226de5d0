using System.Collections;
using System.Runtime.CompilerServices;
using LlmRL.Native;
using static TorchSharp.torch;

namespace TorchSharp.Utils;

/// <summary>Reads and writes the elements of a CPU tensor in place, in row-major order of its shape, whatever its strides.</summary>
public sealed unsafe class TensorAccessor<T> : IDisposable, IEnumerable<T> where T : unmanaged
{
    private readonly Tensor _tensor;
    private readonly long[] _shape;
    private readonly long[] _strides;
    private readonly bool _contiguous;

    internal TensorAccessor(Tensor tensor)
    {
        TensorInfo info = tensor.Info;
        if (info.DeviceType != 0) throw new InvalidOperationException($"Reading elements needs a CPU tensor, this one is on {tensor.device}: call cpu() first.");
        if (ScalarTypes.Of<T>() != (ScalarType)info.DType)
        {
            throw new ArgumentException($"The tensor holds {(ScalarType)info.DType}, not {typeof(T).Name}: convert it with to_type first.");
        }
        _tensor = tensor;
        _shape = tensor.shape;
        _strides = tensor.stride();
        _contiguous = info.Contiguous != 0;
        Count = info.Numel;
    }

    /// <summary>Number of elements.</summary>
    public long Count { get; }

    /// <summary>Elements can be written.</summary>
    public bool IsReadOnly => false;

    /// <summary>An element, by one index per dimension, or by one flat index.</summary>
    public T this[params long[] indices]
    {
        get
        {
            T value = Data[Offset(indices)];
            GC.KeepAlive(_tensor);
            return value;
        }
        set
        {
            Data[Offset(indices)] = value;
            GC.KeepAlive(_tensor);
        }
    }

    private T* Data => (T*)_tensor.Info.Data;

    /// <summary>All elements in a new array.</summary>
    public T[] ToArray()
    {
        T[] array = new T[Count];
        CopyTo(array.AsSpan());
        return array;
    }

    /// <summary>Copies elements from <paramref name="tensorIndex"/> on to an array.</summary>
    public void CopyTo(T[] array, int arrayIndex = 0, long tensorIndex = 0) => CopyTo(array.AsSpan(), arrayIndex, tensorIndex);

    /// <summary>Copies elements from <paramref name="tensorIndex"/> on to a span, as many as both have.</summary>
    public void CopyTo(Span<T> array, int arrayIndex = 0, long tensorIndex = 0)
    {
        int count = (int)Math.Min(array.Length - arrayIndex, Count - tensorIndex);
        Span<T> target = array.Slice(arrayIndex, count);
        if (_contiguous) new ReadOnlySpan<T>(Data + tensorIndex, count).CopyTo(target);
        else for (int i = 0; i < count; i++) target[i] = Data[FlatOffset(tensorIndex + i)];
        GC.KeepAlive(_tensor);
    }

    /// <summary>Copies an array to the elements from <paramref name="tensorIndex"/> on.</summary>
    public void CopyFrom(T[] array, int arrayIndex = 0, long tensorIndex = 0) => CopyFrom((ReadOnlySpan<T>)array, arrayIndex, tensorIndex);

    /// <summary>Copies a span to the elements from <paramref name="tensorIndex"/> on, as many as both have.</summary>
    public void CopyFrom(ReadOnlySpan<T> array, int arrayIndex = 0, long tensorIndex = 0)
    {
        int count = (int)Math.Min(array.Length - arrayIndex, Count - tensorIndex);
        ReadOnlySpan<T> source = array.Slice(arrayIndex, count);
        if (_contiguous) source.CopyTo(new Span<T>(Data + tensorIndex, count));
        else for (int i = 0; i < count; i++) Data[FlatOffset(tensorIndex + i)] = source[i];
        GC.KeepAlive(_tensor);
    }

    /// <summary>Nothing to release: the tensor stays its owner's.</summary>
    public void Dispose()
    {
    }

    /// <inheritdoc/>
    public IEnumerator<T> GetEnumerator()
    {
        for (long i = 0; i < Count; i++) yield return ReadFlat(i);
    }

    /// <inheritdoc/>
    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    private T ReadFlat(long index)
    {
        T value = Data[FlatOffset(index)];
        GC.KeepAlive(_tensor);
        return value;
    }

    private long Offset(long[] indices)
    {
        if (indices.Length == 1 && _shape.Length != 1)
        {
            if ((ulong)indices[0] >= (ulong)Count) throw new IndexOutOfRangeException($"Element {indices[0]} of {Count}.");
            return FlatOffset(indices[0]);
        }
        if (indices.Length != _shape.Length) throw new ArgumentException($"{indices.Length} indices for a tensor of {_shape.Length} dimensions.");
        long offset = 0;
        for (int i = 0; i < indices.Length; i++)
        {
            if ((ulong)indices[i] >= (ulong)_shape[i]) throw new IndexOutOfRangeException($"Index {indices[i]} in dimension {i} of size {_shape[i]}.");
            offset += indices[i] * _strides[i];
        }
        return offset;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private long FlatOffset(long index)
    {
        if (_contiguous) return index;
        long offset = 0;
        for (int i = _shape.Length - 1; i >= 0; i--)
        {
            (index, long position) = Math.DivRem(index, _shape[i]);
            offset += position * _strides[i];
        }
        return offset;
    }
}
