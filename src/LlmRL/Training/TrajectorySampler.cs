using LlmRL.Advantages;
using LlmRL.Algorithms;
using LlmRL.Data;
using LlmRL.Models;
using LlmRL.Rewards;
using LlmRL.Rollouts;

namespace LlmRL.Training;

/// <summary>Prompts → scored trajectories: the sampling half of the online loop.</summary>
public sealed class TrajectorySampler : IDisposable
{
    private const string NextPromptKey = "next_prompt";

    private readonly OnlineStage stage;
    private readonly StageContext context;
    private readonly IExampleSource data;
    private readonly EpochSampler order;
    private readonly PolicySampler sampler;
    private readonly RewardScorer scorer;
    private readonly int longestPrompt;

    /// <summary>Prepares sampling from a policy.</summary>
    public TrajectorySampler(OnlineStage stage, StageContext context, Transformer policy)
    {
        (this.stage, this.context) = (stage, context);
        longestPrompt = policy.Config.GenerationLength - stage.MaxCompletionLength;
        data = context.Open(stage.Data);
        order = new EpochSampler(data.Count, context.Key("prompts"));
        sampler = new PolicySampler(policy, context);
        scorer = new RewardScorer(stage.Reward, context, stage.MicroBatchTokens);
    }

    /// <summary>Samples and scores the completions of one step.</summary>
    /// <param name="step">The step, from 0.</param>
    /// <param name="state">The stage's numbers; with dynamic sampling they say where in the data the next prompt is.</param>
    public Rollout Sample(int step, IDictionary<string, double> state)
    {
        var next = state.TryGetValue(NextPromptKey, out var position) ? (long)position : (long)step * stage.PromptsPerStep;
        var rollout = Round(step, 0, next, stage.PromptsPerStep)
            ?? throw new BadInputException($"stage {stage.Name}: every prompt of step {step + 1} has more than {longestPrompt} tokens, so that max_completion_length {stage.MaxCompletionLength} does not fit the model's positions; lower it, or shorten the prompts.");
        next += stage.PromptsPerStep;
        if (stage.DynamicSampling is { } dynamic)
        {
            rollout = Refill(rollout, step, dynamic.MaxRounds, ref next);
            state[NextPromptKey] = next;
        }

        scorer.Normalize(rollout, state);
        foreach (var trajectory in rollout.Trajectories)
            Shape(trajectory);
        return rollout;
    }

    /// <summary>
    /// Samples and scores completions of other prompts than the stage's own. Nothing of it stays: neither the order of the prompts nor statistics of rewards.
    /// <see cref="Trajectory.LoggedReward"/> is what training logs.
    /// </summary>
    /// <param name="examples">The prompts.</param>
    /// <param name="samplesPerPrompt">Completions of each.</param>
    /// <param name="options">How they are sampled.</param>
    /// <param name="key">What their randomness is keyed by.</param>
    internal Rollout SampleHeldOut(IReadOnlyList<Example> examples, int samplesPerPrompt, SamplingOptions options, SampleKey key)
    {
        var rollout = sampler.Sample(examples, samplesPerPrompt, options, key, scorer);
        foreach (var trajectory in rollout.Trajectories)
        {
            // Where rewards are normalised, training logs the plain sum.
            if (stage.Reward is WeightedReward { Normalize: not RewardNormalization.None })
                trajectory.PlainSum = trajectory.Score;
            else if (!double.IsNaN(trajectory.Score))
                Shape(trajectory);
        }

        return rollout;
    }

    /// <summary>Replaces groups whose scores are all equal by groups of further prompts.</summary>
    private Rollout Refill(Rollout first, int step, int rounds, ref long next)
    {
        var wanted = first.Trajectories.Count / first.GroupSize;
        var (kept, flat) = Sort(first);
        var dropped = first.Dropped.ToList();
        for (var round = 1; round < rounds && kept.Count < wanted; round++)
        {
            var missing = wanted - kept.Count;
            if (Round(step, round, next, missing) is { } more)
            {
                var (better, worse) = Sort(more);
                kept.AddRange(better);
                flat.AddRange(worse);
                dropped.AddRange(more.Dropped);
            }

            next += missing;
        }

        // What no round could replace stays, so that every step has the same number of completions.
        var filled = flat.Take(wanted - kept.Count).ToArray();
        return new Rollout([.. kept.Concat(filled).SelectMany(group => group)], first.GroupSize)
        {
            Replaced = [.. flat.Skip(filled.Length).SelectMany(group => group)],
            Dropped = dropped,
        };

        (List<ArraySegment<Trajectory>> Varied, List<ArraySegment<Trajectory>> Flat) Sort(Rollout rollout)
        {
            var byVariance = rollout.Groups().ToLookup(group => scorer.IsFlat(group));
            return ([.. byVariance[false]], [.. byVariance[true]]);
        }
    }

    /// <summary>Samples the completions of some prompts in a row; null where none of them fits the model. Groups without a score for each are left out.</summary>
    private Rollout? Round(int step, int round, long first, int prompts)
    {
        var examples = Enumerable.Range(0, prompts).Select(i => data[order[first + i]]).Where(Fits).ToArray();
        if (examples.Length == 0)
            return null;
        var options = new SamplingOptions { Temperature = stage.Temperature, MaxNewTokens = stage.MaxCompletionLength };
        var key = round == 0 ? context.Key("sampling") : CounterRandom.Key(context.Key("sampling"), (ulong)round);
        var rollout = sampler.Sample(examples, stage.NumGenerations, options, new SampleKey(key, (ulong)step), scorer).OnlyScored();
        return rollout.Trajectories.Count > 0 ? rollout
            : throw new RewardFailedException("no prompt of the step has a score for each of its completions, so that there is nothing to learn from. The reward server failed for each, or no reward applies to these rows.");
    }

    /// <summary>Clip, penalties and masking: what the stage makes of a raw score.</summary>
    private void Shape(Trajectory trajectory)
    {
        if (stage.RewardClipRange is { } range)
            trajectory.Score = RewardShaping.Clip(trajectory.Score, range[0], range[1]);
        if (stage.MissingEosPenalty is { } penalty)
            trajectory.Score = RewardShaping.MissingEos(trajectory.Score, !trajectory.IsTruncated, penalty, stage.MissingEosMode);
        if (stage.SoftOverlongCache is { } cache)
            trajectory.Score += RewardShaping.SoftOverlong(trajectory.Length, stage.MaxCompletionLength, cache);
        trajectory.Counts = !(trajectory.IsTruncated && stage.MaskTruncatedCompletions);
    }

    /// <summary>A prompt that leaves no room for a completion is left out, as a row that is too long is in the offline loop.</summary>
    private bool Fits(Example example)
    {
        if (context.EncodePrompt(example).Length <= longestPrompt)
            return true;
        context.CountSkipped(example, longestPrompt);
        return false;
    }

    /// <summary>Call after the optimizer changed the policy.</summary>
    public void WeightsChanged() => sampler.WeightsChanged();

    /// <inheritdoc/>
    public void Dispose()
    {
        sampler.Dispose();
        scorer.Dispose();
    }
}
