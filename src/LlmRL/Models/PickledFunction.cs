namespace LlmRL.Models;

/// <summary>The few names that a pickle may mention: what rebuilds tensors and ordered dictionaries, and the element types of storages.</summary>
internal sealed class PickledFunction
{
    private static readonly Dictionary<string, PickledFunction> Known = new(StringComparer.Ordinal)
    {
        ["collections.OrderedDict"] = new((path, arguments) => OrderedDictionary(path, arguments)),
        ["torch.Size"] = new((path, arguments) => arguments is [object?[] sizes] ? sizes : throw Arguments(path)),
        ["torch._utils._rebuild_tensor_v2"] = new(Tensor),
        ["torch._utils._rebuild_parameter"] = new((path, arguments) => arguments is [PickledTensor tensor, ..] ? tensor : throw Arguments(path)),
        ["torch.FloatStorage"] = new("F32"),
        ["torch.DoubleStorage"] = new("F64"),
        ["torch.HalfStorage"] = new("F16"),
        ["torch.BFloat16Storage"] = new("BF16"),
        ["torch.LongStorage"] = new("I64"),
        ["torch.IntStorage"] = new("I32"),
        ["torch.ShortStorage"] = new("I16"),
        ["torch.CharStorage"] = new("I8"),
        ["torch.ByteStorage"] = new("U8"),
        ["torch.BoolStorage"] = new("BOOL"),
    };

    private readonly Func<string, object?[], object?> invoke;
    private readonly string? elementType;

    private PickledFunction(Func<string, object?[], object?> invoke) => this.invoke = invoke;

    private PickledFunction(string elementType)
    {
        this.elementType = elementType;
        invoke = (path, _) => throw Refused(path, "a call of a storage type");
    }

    /// <summary>The function of a name.</summary>
    /// <exception cref="BadInputException">It is none of the known ones.</exception>
    public static PickledFunction Find(string path, string module, string name) =>
        Known.TryGetValue($"{module}.{name}", out var function) ? function : throw Refused(path, $"{module}.{name}");

    /// <summary>The storage of a persistent id ('storage', type, key, device, elements, …).</summary>
    public static PickledStorage Storage(string path, object? id) =>
        id is object?[] and ["storage", PickledFunction { elementType: { } type }, string key, _, long elements, ..] && elements >= 0
            ? new PickledStorage(key, type, elements)
            : throw Refused(path, "an object outside the pickle that is no storage");

    /// <summary>The error of a pickle that asks for more than tensors.</summary>
    public static BadInputException Refused(string path, string what) =>
        new($"{path}: the pickle asks for {what}; only tensors and plain containers are read, since anything else could run code. Save the bare state dict, or convert it to safetensors.");

    /// <summary>Applies it.</summary>
    public object? Invoke(string path, object?[] arguments) => invoke(path, arguments);

    private static PickledDictionary OrderedDictionary(string path, object?[] arguments)
    {
        var dictionary = new PickledDictionary();
        if (arguments.Length == 0)
            return dictionary;
        if (arguments is not [List<object?> pairs])
            throw Arguments(path);
        foreach (var pair in pairs)
        {
            dictionary.Add(path, pair switch
            {
                object?[] { Length: 2 } tuple => tuple,
                List<object?> { Count: 2 } list => [.. list],
                _ => throw Arguments(path),
            });
        }

        return dictionary;
    }

    private static PickledTensor Tensor(string path, object?[] arguments)
    {
        if (arguments is not [PickledStorage storage, long offset, object?[] shape, object?[] strides, ..]
            || shape.Length != strides.Length || !shape.Concat(strides).All(size => size is >= 0L) || offset < 0)
            throw Arguments(path);
        var tensor = new PickledTensor(storage, offset, [.. shape.Cast<long>()], [.. strides.Cast<long>()]);
        // The last element must lie in the storage; sizes large enough to overflow do not.
        Int128 last = offset;
        foreach (var (size, stride) in tensor.Shape.Zip(tensor.Strides))
            last += (Int128)Math.Max(0, size - 1) * stride;
        return tensor.Shape.Contains(0) || last < storage.Elements
            ? tensor
            : throw Pickle.Damaged(path, $"a tensor of shape [{string.Join(", ", tensor.Shape)}] reaches beyond its storage of {storage.Elements} elements");
    }

    private static BadInputException Arguments(string path) => Pickle.Damaged(path, "the pickle rebuilds a tensor or container from other arguments than PyTorch writes");
}
