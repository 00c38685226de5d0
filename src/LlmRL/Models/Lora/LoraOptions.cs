using System.ComponentModel.DataAnnotations;
using LlmRL.Recipes.Binding;

namespace LlmRL.Models.Lora;

/// <summary>
/// Low-rank adapters, with the names of Hugging Face's PEFT: beside each target matrix W two small ones are trained, y = Wx + s·B·A·x, and W stays as it is
/// (Hu et al. 2022, arXiv 2106.09685, section 4.1).
/// </summary>
public sealed record LoraOptions : IValidated
{
    /// <summary>Stands for every projection of the blocks, as in PEFT; the head is none of them.</summary>
    public const string AllLinear = "all-linear";

    /// <summary>r: rows of A and columns of B.</summary>
    [Range(1, 4096)]
    public int R { get; init; } = 16;

    /// <summary>α: the update is scaled by s = α/r.</summary>
    [Range(0.0, 1e6, MinimumIsExclusive = true)]
    public double Alpha { get; init; } = 32;

    /// <summary>p: what the adapters read is dropped with this probability while training. Projections that read the same input share the draw.</summary>
    [Range(0.0, 1.0, MaximumIsExclusive = true)]
    public double Dropout { get; init; }

    /// <summary><c>all-linear</c>, or names of projections as the model's weight files have them: <c>q_proj</c>; <c>mlp.c_proj</c> where one of several is meant.</summary>
    [MinLength(1)]
    [OneOrMore]
    public IReadOnlyList<string> TargetModules { get; init; } = [AllLinear];

    /// <summary>Whether s = α/√r, so that a larger rank learns no slower (Kalajdzievski 2023, arXiv 2312.03732).</summary>
    public bool UseRslora { get; init; }

    /// <summary>s.</summary>
    internal double Scale => Alpha / (UseRslora ? Math.Sqrt(R) : R);

    /// <summary>Whether a projection is a target, by PEFT's rule.</summary>
    /// <param name="module">Its whole name in the weight file: <c>model.layers.0.self_attn.q_proj</c>.</param>
    internal bool Targets(string module) => TargetModules.Any(target => target == AllLinear || Matches(target, module));

    /// <inheritdoc/>
    public IEnumerable<(string Key, string Problem)> Validate()
    {
        if (TargetModules.Count > 1 && TargetModules.Contains(AllLinear))
            yield return (nameof(TargetModules), $"{AllLinear} already stands for all of them; write it alone, or only names");
    }

    /// <summary>Whether a target names a module: all of its name, or what follows one of its dots.</summary>
    internal static bool Matches(string target, string module) => module == target || module.EndsWith("." + target, StringComparison.Ordinal);
}
