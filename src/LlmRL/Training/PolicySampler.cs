using LlmRL.Data;
using LlmRL.Models;
using LlmRL.Models.Lora;
using LlmRL.Rollouts;
using LlmRL.Tokenization;

namespace LlmRL.Training;

/// <summary>Samples completions of examples from a policy, where it lives and with its own weights: the rollout engine reads the buffer that training updates.</summary>
public sealed class PolicySampler : IDisposable
{
    private readonly Transformer policy;
    private readonly MergedWeights? merged;
    private readonly StageContext context;
    private readonly IRolloutEngine engine;

    /// <summary>Prepares sampling.</summary>
    public PolicySampler(Transformer policy, StageContext context)
    {
        (this.policy, this.context) = (policy, context);
        var onDevice = context.Run.DecodesOnDevice || RolloutEngines.DecodesOnDevice(policy.Device);
        merged = policy.Adapters is { } adapters ? new MergedWeights(policy, adapters, onDevice) : null;
        engine = RolloutEngines.Of(policy, merged, message => context.Run.Console.Warn($"{context.Stage.Name}: {message}"), onDevice);
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

    /// <summary>Call after the policy's weights changed. Without adapters there is nothing to do: the engine reads them where training writes them.</summary>
    public void WeightsChanged() => merged?.Refresh();

    /// <inheritdoc/>
    public void Dispose()
    {
        engine.Dispose();
        merged?.Dispose();
    }
}
