using LlmRL.Models;
using static TorchSharp.torch;

namespace LlmRL.Training;

/// <summary>Looks at quantities in the order in which they are computed, and says which are not finite.</summary>
/// <param name="say">Receives the findings, line by line.</param>
internal sealed class FiniteCheck(Action<string> say)
{
    /// <summary>Whether something was not finite.</summary>
    public bool Found { get; private set; }

    /// <summary>Looks at the weights of a network.</summary>
    public void Weights(string name, FlatParameters parameters)
    {
        foreach (var spec in parameters.Specs)
            Check($"{name}: weight {Name(spec)}", parameters[spec.Name]);
        say($"  {name}: {parameters.Count} weights looked at");
    }

    /// <summary>Looks at the gradients of a network.</summary>
    public void Gradients(string name, FlatParameters parameters)
    {
        foreach (var spec in parameters.Specs)
            Check($"{name}: gradient of {Name(spec)}", parameters.Gradient(spec.Name));
        say($"  {name}: gradients of {parameters.Specs.Count} parameters looked at");
    }

    /// <summary>Looks at a tensor.</summary>
    public void Check(string what, Tensor values)
    {
        using var guard = no_grad();
        using var host = values.detach().cpu().contiguous();
        Check(what, host.data<float>().ToArray());
    }

    /// <summary>Looks at numbers.</summary>
    public void Check(string what, float[] values)
    {
        var bad = values.Count(number => !float.IsFinite(number));
        if (bad == 0)
            return;
        Found = true;
        var first = Array.FindIndex(values, number => !float.IsFinite(number));
        say(values.Length == 1 ? $"✗ {what} is {values[0]}" : $"✗ {what}: {bad} of {values.Length} numbers are not finite, the first at {first}: {values[first]}");
    }

    /// <summary>Says what came of it.</summary>
    /// <returns><see cref="Found"/>.</returns>
    public bool Conclude()
    {
        say(Found ? "reproduced: the first line marked ✗ is where it begins" : "not reproduced: everything is finite on this machine");
        return Found;
    }

    /// <summary>By its names in files, where one of ours may be several.</summary>
    private static string Name(ParameterSpec spec) => string.Join(" + ", spec.Parts.Select(part => part.HuggingFaceName));
}
