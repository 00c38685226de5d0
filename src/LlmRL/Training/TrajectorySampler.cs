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
    public Rollout Sample(int step)
    {
        var examples = Enumerable.Range(0, stage.PromptsPerStep).Select(i => data[order[(long)step * stage.PromptsPerStep + i]]).Where(Fits).ToArray();
        if (examples.Length == 0)
            throw new BadInputException($"stage {stage.Name}: every prompt of step {step + 1} has more than {longestPrompt} tokens, so that max_completion_length {stage.MaxCompletionLength} does not fit the model's positions; lower it, or shorten the prompts.");
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

    /// <summary>A prompt that leaves no room for a completion is left out, as a row that is too long is in the offline loop.</summary>
    private bool Fits(Example example)
    {
        if (context.EncodePrompt(example.Prompt).Length <= longestPrompt)
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
