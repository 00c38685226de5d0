using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace LlmRL.Native;

/// <summary>An operator of libtorch's dispatcher, e.g. <c>aten::add.Tensor</c>. Arguments not given take the schema's defaults.</summary>
public sealed unsafe class Operator
{
    private const int ScratchWords = 48;
    private static readonly ConcurrentDictionary<string, Operator> s_known = new();
    private nint _handle;

    internal Operator(string fullName) => Name = fullName;

    /// <summary>Name with namespace and overload, as in <c>aten::sum.dim_IntList</c>.</summary>
    public string Name { get; }

    /// <summary>Whether this libtorch has the operator.</summary>
    public bool Exists => _handle != 0 || Find() != 0;

    /// <summary>The schema as libtorch prints it.</summary>
    public string Schema
    {
        get
        {
            byte* text = NativeMethods.llmrl_schema(Resolve());
            if (text == null) throw NativeTorch.Failure(Name);
            string schema = Marshal.PtrToStringUTF8((nint)text)!;
            NativeMethods.llmrl_free_memory(text);
            return schema;
        }
    }

    /// <summary>The operator of that name (<c>aten::rms_norm</c>, <c>aten::add.Tensor</c>); found when first called.</summary>
    public static Operator Get(string name) => s_known.GetOrAdd(name, static key => new Operator(key));

    /// <summary>Calls an operator that returns one tensor.</summary>
    public Tensor Call(params ReadOnlySpan<Argument> arguments)
    {
        NativeValue result;
        Invoke(arguments, &result, 1);
        return ToTensor(result);
    }

    /// <summary>Calls an operator that returns two tensors.</summary>
    public (Tensor, Tensor) Call2(params ReadOnlySpan<Argument> arguments)
    {
        NativeValue* results = stackalloc NativeValue[2];
        Invoke(arguments, results, 2);
        return (ToTensor(results[0]), ToTensor(results[1]));
    }

    /// <summary>Calls an operator that returns three tensors.</summary>
    public (Tensor, Tensor, Tensor) Call3(params ReadOnlySpan<Argument> arguments)
    {
        NativeValue* results = stackalloc NativeValue[3];
        Invoke(arguments, results, 3);
        return (ToTensor(results[0]), ToTensor(results[1]), ToTensor(results[2]));
    }

    /// <summary>Calls an operator that returns a list of tensors.</summary>
    public Tensor[] CallList(params ReadOnlySpan<Argument> arguments)
    {
        NativeValue result;
        Invoke(arguments, &result, 1);
        return (Tensor[])ToObject(result)!;
    }

    /// <summary>Calls an operator for its effect; results are dropped. Returns their number.</summary>
    public int Run(params ReadOnlySpan<Argument> arguments) => Invoke(arguments, null, 0);

    /// <summary>Calls an operator that returns a number.</summary>
    public Scalar CallScalar(params ReadOnlySpan<Argument> arguments)
    {
        NativeValue result;
        Invoke(arguments, &result, 1);
        return result.Tag switch
        {
            ValueTag.Double => result.Double,
            ValueTag.Int => result.Int,
            ValueTag.Bool => result.Int != 0,
            _ => throw new ExternalException($"{Name} returned no number."),
        };
    }

    /// <summary>Calls any operator. Results are Tensor, Tensor[], long, double, bool, long[], double[] or null.</summary>
    public object?[] CallAny(params ReadOnlySpan<Argument> arguments)
    {
        const int Capacity = 16;
        NativeValue* results = stackalloc NativeValue[Capacity];
        int count = Invoke(arguments, results, Capacity);
        object?[] values = new object?[Math.Min(count, Capacity)];
        for (int i = 0; i < values.Length; i++) values[i] = ToObject(results[i]);
        return values;
    }

    /// <inheritdoc/>
    public override string ToString() => Name;

    [SkipLocalsInit]
    private int Invoke(ReadOnlySpan<Argument> arguments, NativeValue* results, int capacity)
    {
        nint handle = _handle != 0 ? _handle : Resolve();
        NativeValue* values = stackalloc NativeValue[arguments.Length];
        long* scratch = stackalloc long[ScratchWords];
        int words = 0;
        for (int i = 0; i < arguments.Length; i++) words += arguments[i].ScratchWords;
        long* lists = words <= ScratchWords ? scratch : (long*)NativeMemory.Alloc((nuint)words, sizeof(long));
        try
        {
            long* next = lists;
            for (int i = 0; i < arguments.Length; i++)
            {
                arguments[i].Write(values + i, next);
                next += arguments[i].ScratchWords;
            }
            int count = NativeMethods.llmrl_call(handle, values, arguments.Length, results, capacity);
            // Reading the arguments here also keeps their tensors from being finalised during the call.
            if (count < 0 || count < capacity && capacity <= 3) throw Failure(arguments, count);
            return count;
        }
        finally
        {
            if (lists != scratch) NativeMemory.Free(lists);
        }
    }

    private ExternalException Failure(ReadOnlySpan<Argument> arguments, int count)
    {
        string[] described = new string[arguments.Length];
        string reason = count < 0 ? NativeTorch.LastError() : $"it has {count} results";
        for (int i = 0; i < described.Length; i++) described[i] = arguments[i].Describe();
        return new ExternalException($"{Name}({string.Join(", ", described)}): {reason}");
    }

    private nint Resolve()
    {
        nint handle = Find();
        if (handle == 0) throw new NotSupportedException($"libtorch {NativeTorch.Version} has no operator {Name}; a newer libtorch may have it.");
        return handle;
    }

    private nint Find()
    {
        int dot = Name.IndexOf('.');
        string name = dot < 0 ? Name : Name[..dot];
        return _handle = NativeMethods.llmrl_operator(name, dot < 0 ? "" : Name[(dot + 1)..]);
    }

    private Tensor ToTensor(in NativeValue value) =>
        value.Tag == ValueTag.Tensor ? new Tensor(value.Pointer) : throw new ExternalException($"{Name} returned {value.Tag}, not a tensor.");

    private static object? ToObject(in NativeValue value)
    {
        switch (value.Tag)
        {
            case ValueTag.Tensor: return value.Pointer == 0 ? null : new Tensor(value.Pointer);
            case ValueTag.Int: return value.Int;
            case ValueTag.Double: return value.Double;
            case ValueTag.Bool: return value.Int != 0;
            case ValueTag.TensorList: return TakeTensors(value);
            case ValueTag.IntList: return Take<long>(value);
            case ValueTag.DoubleList: return Take<double>(value);
            default: return null;
        }
    }

    private static Tensor[] TakeTensors(in NativeValue value)
    {
        nint[] handles = Take<nint>(value);
        return Array.ConvertAll(handles, handle => new Tensor(handle));
    }

    private static T[] Take<T>(in NativeValue value) where T : unmanaged
    {
        T[] items = new ReadOnlySpan<T>((void*)value.Pointer, value.Length).ToArray();
        NativeMethods.llmrl_free_memory((void*)value.Pointer);
        return items;
    }
}
