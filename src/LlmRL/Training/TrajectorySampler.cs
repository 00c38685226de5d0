using LlmRL.Advantages;
using LlmRL.Algorithms;
using LlmRL.Data;
using LlmRL.Models;
using LlmRL.Rollouts;

namespace LlmRL.Training;

/// <summary>Prompts → scored trajectories: the sampling half of the online loop.</summary>
public sealed class TrajectorySampler : IDisposable
{
    private readonly OnlineStage stage;
    private readonly StageContext context;
    private readonly IExampleSource data;
    private readonly EpochSampler order;
    private readonly PolicySampler sampler;
    private readonly RewardScorer scorer;

    /// <summary>Prepares sampling from a policy.</summary>
    public TrajectorySampler(OnlineStage stage, StageContext context, Transformer policy)
    {
        (this.stage, this.context) = (stage, context);
        data = context.Open(stage.Data);
        order = new EpochSampler(data.Count, context.Key("prompts"));
        sampler = new PolicySampler(policy, context);
        scorer = new RewardScorer(stage.Reward, context, stage.MicroBatchTokens);
    }

    /// <summary>Samples and scores the completions of one step.</summary>
    public Rollout Sample(int step)
    {
        var examples = Enumerable.Range(0, stage.PromptsPerStep).Select(i => data[order[(long)step * stage.PromptsPerStep + i]]).ToArray();
        var options = new SamplingOptions { Temperature = stage.Temperature, MaxNewTokens = stage.MaxCompletionLength };
        var rollout = sampler.Sample(examples, stage.NumGenerations, options, new SampleKey(context.Key("sampling"), (ulong)step), scorer);
        foreach (var trajectory in rollout.Trajectories)
        {
            if (stage.MissingEosPenalty is { } penalty)
                trajectory.Score = RewardShaping.MissingEos(trajectory.Score, !trajectory.IsTruncated, penalty, stage.MissingEosMode);
            trajectory.Counts = !(trajectory.IsTruncated && stage.MaskTruncatedCompletions);
        }

        return rollout;
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
