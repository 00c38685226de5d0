using LlmRL.Data;

namespace LlmRL.Rollouts;

/// <summary>
/// One prompt with one sampled completion of T tokens, and all that is known about it. Every array has one entry per completion token, the stop token
/// included; entry t belongs to the decision of token t, taken in the state "prompt and tokens before t".
/// </summary>
public sealed class Trajectory
{
    /// <summary>The row of the data set.</summary>
    public required Example Example { get; init; }

    /// <summary>The prompt's token ids.</summary>
    public required int[] Prompt { get; init; }

    /// <summary>The sampled tokens and how they ended.</summary>
    public required Completion Completion { get; init; }

    /// <summary>The completion as text, special tokens removed.</summary>
    public required string Text { get; init; }

    /// <summary>log π_old(a_t|s_t) in nats: as sampled.</summary>
    public float[] LogProbs => Completion.LogProbs;

    /// <summary>T.</summary>
    public int Length => Completion.Tokens.Length;

    /// <summary>Whether the length limit cut the completion.</summary>
    public bool IsTruncated => Completion.Finish == FinishReason.Length;

    /// <summary>log π_ref(a_t|s_t) in nats under the reference policy; empty where the algorithm needs none.</summary>
    public float[] ReferenceLogProbs { get; set; } = [];

    /// <summary>V(s_t) of the value network at sampling time, in units of reward; empty where there is none.</summary>
    public float[] Values { get; set; } = [];

    /// <summary>Each reward by name, before weights, normalisation and penalties; NaN where it does not apply.</summary>
    public Dictionary<string, double> Rewards { get; } = new(StringComparer.Ordinal);

    /// <summary>Weighted rewards that belong to single tokens, part of <see cref="Score"/>; empty where all rewards are of the whole completion.</summary>
    public double[] TokenRewards { get; set; } = [];

    /// <summary>The score of the whole completion that the algorithm learns from: weighted rewards after normalisation and penalties. NaN: it could not be scored.</summary>
    public double Score { get; set; }

    /// <summary>The weighted sum of the rewards where <see cref="Score"/> was normalised; null where it was not.</summary>
    public double? PlainSum { get; set; }

    /// <summary>What is logged as <c>reward</c>: in units that mean the same at each step.</summary>
    public double LoggedReward => PlainSum ?? Score;

    /// <summary>Names of the rewards that failed, where the recipe has the run go on.</summary>
    public IReadOnlyList<string> FailedRewards { get; set; } = [];

    /// <summary>A_t, filled in by the algorithm.</summary>
    public float[] Advantages { get; set; } = [];

    /// <summary>Targets of the value network, filled in by algorithms that have one.</summary>
    public float[] Returns { get; set; } = [];

    /// <summary>Whether the loss counts this completion (truncated ones may be masked out).</summary>
    public bool Counts { get; set; } = true;

    /// <summary>Prompt and completion as one sequence.</summary>
    public int[] AllTokens() => [.. Prompt, .. Completion.Tokens];

    /// <summary>What the model reads to predict every completion token: all but the last token.</summary>
    public int[] InputTokens() => [.. Prompt, .. Completion.Tokens.AsSpan(0, Length - 1)];

    /// <summary>Σ_t (log π_old − log π_ref): the sequence's KL estimate k1 in nats; 0 without reference.</summary>
    public double KlToReference()
    {
        var sum = 0.0;
        for (var t = 0; t < ReferenceLogProbs.Length; t++)
            sum += LogProbs[t] - ReferenceLogProbs[t];
        return sum;
    }
}

/// <summary>
/// What one sampling phase produced: B = prompts · <see cref="GroupSize"/> trajectories, those of a prompt next to each other. Advantages, losses and
/// metrics all read this one record.
/// </summary>
/// <param name="Trajectories">The trajectories, ordered by (prompt, sample).</param>
/// <param name="GroupSize">G: completions per prompt.</param>
public sealed record Rollout(IReadOnlyList<Trajectory> Trajectories, int GroupSize)
{
    /// <summary>Trajectories that were sampled and scored too, but replaced by others because their group's scores were all equal.</summary>
    public IReadOnlyList<Trajectory> Replaced { get; init; } = [];

    /// <summary>Trajectories that were sampled, but left out because one of their group has no score.</summary>
    public IReadOnlyList<Trajectory> Dropped { get; init; } = [];

    /// <summary>The groups of which every trajectory has a score; the others are among <see cref="Dropped"/>.</summary>
    public Rollout OnlyScored()
    {
        if (!Trajectories.Any(trajectory => double.IsNaN(trajectory.Score)))
            return this;
        var scored = Groups().ToLookup(group => !group.Any(trajectory => double.IsNaN(trajectory.Score)));
        return this with { Trajectories = [.. scored[true].SelectMany(group => group)], Dropped = [.. Dropped, .. scored[false].SelectMany(group => group)] };
    }

    /// <summary>Number of completion tokens.</summary>
    public int TokenCount => Trajectories.Sum(trajectory => trajectory.Length);

    /// <summary>The trajectories of each prompt.</summary>
    public IEnumerable<ArraySegment<Trajectory>> Groups()
    {
        var all = Trajectories as Trajectory[] ?? [.. Trajectories];
        for (var start = 0; start < all.Length; start += GroupSize)
            yield return new ArraySegment<Trajectory>(all, start, GroupSize);
    }
}
