using System.ComponentModel.DataAnnotations;
using LlmRL.Data;
using LlmRL.Evaluation;
using LlmRL.Recipes.Binding;
using LlmRL.Rollouts;

namespace LlmRL.Rewards;

/// <summary>
/// max_penalty · (1 − distinct n-grams / n-grams): 0 where no n-gram occurs twice, near max_penalty where one sentence is said again and again. A completion of
/// fewer than n items has none and gets 0.
/// </summary>
/// <remarks>
/// Yeo et al. 2025, arXiv 2502.03373, appendix C.2, as Open R1's recipes have it. Words are what white space separates, in lower case, punctuation included; for
/// languages without spaces between words, count tokens.
/// </remarks>
[Variant("repetition")]
public sealed record RepetitionReward : IReward
{
    /// <summary>n: how many words (or tokens) make one n-gram.</summary>
    [Range(1, 1000)]
    public int N { get; init; } = 3;

    /// <summary>What a completion that only repeats itself comes near to, ≤ 0.</summary>
    [Range(-1e6, 0.0)]
    public double MaxPenalty { get; init; } = -1;

    /// <summary>Whether n-grams are of the model's tokens instead of words. A bare text (a judge's reference completion) is always counted in words.</summary>
    public bool Tokens { get; init; }

    /// <inheritdoc/>
    string IReward.Name => "repetition";

    /// <inheritdoc/>
    public double Score(Example example, string completion) =>
        Penalty(WordIds([.. completion.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Select(word => word.ToLowerInvariant())]));

    /// <inheritdoc/>
    public double Score(Trajectory trajectory) => Tokens ? Penalty(trajectory.Completion.Tokens) : Score(trajectory.Example, trajectory.Text);

    /// <summary>1 − distinct/total over the n-grams of a list; 0 where it has none.</summary>
    internal static double RepeatedShare(IReadOnlyList<int> items, int n) => items.Count < n ? 0 : 1 - Diversity.Distinct([items], n);

    /// <summary>Each word's number among the different ones.</summary>
    internal static int[] WordIds(IReadOnlyList<string> words)
    {
        var ids = new Dictionary<string, int>(StringComparer.Ordinal);
        var numbered = new int[words.Count];
        for (var i = 0; i < numbered.Length; i++)
        {
            if (!ids.TryGetValue(words[i], out numbered[i]))
                ids[words[i]] = numbered[i] = ids.Count;
        }

        return numbered;
    }

    private double Penalty(IReadOnlyList<int> items)
    {
        var share = RepeatedShare(items, N);
        return share == 0 ? 0 : MaxPenalty * share;
    }
}
