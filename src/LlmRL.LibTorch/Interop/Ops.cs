using static TorchSharp.torch;

namespace LlmRL.Native;

/// <summary>Calls of any libtorch operator by name, for what the TorchSharp-shaped API does not wrap.</summary>
public static class Ops
{
    /// <summary>Calls an operator that returns one tensor, e.g. <c>Ops.Call("aten::rms_norm", x, new long[] { 64 })</c>.</summary>
    public static Tensor Call(string name, params ReadOnlySpan<Argument> arguments) => Operator.Get(name).Call(arguments);

    /// <summary>Calls an operator that returns two tensors.</summary>
    public static (Tensor, Tensor) Call2(string name, params ReadOnlySpan<Argument> arguments) => Operator.Get(name).Call2(arguments);

    /// <summary>Calls an operator that returns a list of tensors.</summary>
    public static Tensor[] CallList(string name, params ReadOnlySpan<Argument> arguments) => Operator.Get(name).CallList(arguments);

    /// <summary>Calls any operator; see <see cref="Operator.CallAny"/> for the types of the results.</summary>
    public static object?[] CallAny(string name, params ReadOnlySpan<Argument> arguments) => Operator.Get(name).CallAny(arguments);

    /// <summary>Calls an operator for its effect, dropping results.</summary>
    public static void Run(string name, params ReadOnlySpan<Argument> arguments) => Operator.Get(name).Run(arguments);

    /// <summary>Whether this libtorch has the operator.</summary>
    public static bool Exists(string name) => Operator.Get(name).Exists;

    /// <summary>The schema as libtorch prints it.</summary>
    public static string Schema(string name) => Operator.Get(name).Schema;
}
