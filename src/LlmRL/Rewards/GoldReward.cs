using LlmRL.Data;
using LlmRL.Recipes.Binding;

namespace LlmRL.Rewards;

/// <summary>The hidden utility of the TL;DR experiment, <see cref="TldrJudge.Utility(string, string)"/>: what a learned reward estimates.</summary>
[Variant("gold")]
public sealed record GoldReward : IReward
{
    /// <inheritdoc/>
    string IReward.Name => "gold";

    /// <inheritdoc/>
    public double Score(Example example, string completion) => TldrJudge.Utility(example.Prompt, completion);
}
