using LlmRL.Data;
using LlmRL.Models;
using LlmRL.Models.Lora;
using LlmRL.Rollouts;
using LlmRL.Tokenization;
using TorchSharp;

namespace LlmRL.Training;

/// <summary>Samples completions of examples from a policy, with its own weights: on the CPU the rollout engine reads the buffer that training updates.</summary>
public sealed class PolicySampler : IDisposable
{
    private readonly Transformer policy;
    private readonly Transformer? hostCopy;
    private readonly MergedWeights? merged;
    private readonly StageContext context;
    private readonly RolloutEngine engine;

    /// <summary>Prepares sampling.</summary>
    public PolicySampler(Transformer policy, StageContext context)
    {
        (this.policy, this.context) = (policy, context);
        if (policy.Device.type != DeviceType.CPU)
            hostCopy = new Transformer(policy.Config, trainable: false);
        else if (policy.Adapters is { } adapters)
            merged = new MergedWeights(policy, adapters);
        engine = new RolloutEngine(merged?.Weights ?? (hostCopy ?? policy).DecoderWeights());
        WeightsChanged();
    }

    /// <summary>Samples <paramref name="samplesPerPrompt"/> completions of each example; scoring starts as soon as a completion is done.</summary>
    public Rollout Sample(IReadOnlyList<Example> examples, int samplesPerPrompt, SamplingOptions options, SampleKey key, RewardScorer? scorer)
    {
        var prompts = examples.Select(example => context.EncodePrompt(example)).ToArray();
        var trajectories = new Trajectory[examples.Count * samplesPerPrompt];
        options = options with { StopIds = context.Run.IgnoresStops ? [] : policy.Config.StopIds(context.Tokenizer.EosId) };
        using var pending = scorer?.Begin();
        engine.Generate(prompts, samplesPerPrompt, options, key, completion =>
        {
            var stops = completion.Finish == FinishReason.Stop ? 1 : 0;
            var trajectory = new Trajectory
            {
                Example = examples[completion.PromptIndex],
                Prompt = prompts[completion.PromptIndex],
                Completion = completion,
                Text = Prompting.DecodeCompletion(context.Tokenizer, prompts[completion.PromptIndex], completion.Tokens.AsSpan(0, completion.Tokens.Length - stops)),
            };
            trajectories[completion.PromptIndex * samplesPerPrompt + completion.SampleIndex] = trajectory;
            pending?.Add(trajectory);
        }, context.Cancellation);
        var rollout = new Rollout(trajectories, samplesPerPrompt);
        pending?.Complete(rollout);
        return rollout;
    }

    /// <summary>
    /// Call after the policy's weights changed. On the CPU there is nothing to do without adapters: the engine reads them where training writes them.
    /// </summary>
    public void WeightsChanged()
    {
        merged?.Refresh();
        hostCopy?.Parameters.CopyFrom(policy.Parameters);
        if (hostCopy is not null)
            policy.Adapters?.MergeInto(hostCopy.Parameters);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        engine.Dispose();
        merged?.Dispose();
        hostCopy?.Dispose();
    }
}
