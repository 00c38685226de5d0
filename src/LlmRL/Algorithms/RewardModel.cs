using System.ComponentModel.DataAnnotations;
using LlmRL.Data;
using LlmRL.Losses;
using LlmRL.Models;
using LlmRL.Recipes;
using LlmRL.Recipes.Binding;
using LlmRL.Training;
using static TorchSharp.torch;

namespace LlmRL.Algorithms;

/// <summary>
/// Bradley–Terry reward model over preference pairs (<see cref="PreferenceLosses.BradleyTerry"/>): the body of the policy with a scalar head, read at
/// the EOS token. Details that decide whether it works: arXiv 2403.17031.
/// </summary>
[Variant("reward_model", Title = "Reward model",
    About = "A copy of the model learns to score answers, from pairs in which people preferred one.")]
public sealed record RewardModel : OfflineStage
{
    /// <summary>c of the centring term c·(r_w + r_l)²; 0: none.</summary>
    [Range(0.0, 100.0)]
    public double CenterRewardsCoefficient { get; init; }

    /// <summary>Demonstrations whose scores average 0 after training: the scores are shifted by a constant, which is saved with the model.</summary>
    public DataSource? CenterOn { get; init; }

    /// <inheritdoc/>
    public override Transformer LoadModel(StageContext context) => context.LoadTrained(Policy, Lora, scalarHead: true);

    /// <inheritdoc/>
    public override EncodedExample Encode(Example example, StageContext context) => EncodePreference(example, context);

    /// <inheritdoc/>
    public override void Accumulate(Transformer model, IReadOnlyList<EncodedExample> micro, BatchShare share, BatchMetrics metrics, bool train)
    {
        // Chosen first, then rejected, so that the two halves are views.
        var sequences = micro.Select(example => example.Sequences[0]).Concat(micro.Select(example => example.Sequences[1]));
        var rewards = LastTokenScores(model, [.. sequences], [.. Enumerable.Range(0, 2 * micro.Count).Select(b => b % micro.Count)]);
        var chosen = rewards.narrow(0, 0, micro.Count);
        var rejected = rewards.narrow(0, micro.Count, micro.Count);
        var margins = micro.Any(example => example.Example.Margin is not null)
            ? tensor(micro.Select(example => (float)(example.Example.Margin ?? 0)).ToArray()).to(model.Device)
            : null;
        var losses = PreferenceLosses.BradleyTerry(chosen, rejected, margins, CenterRewardsCoefficient);
        if (train)
            (losses.sum() / share.Sequences).backward();

        metrics.Add("loss", losses.detach().mean().item<float>(), micro.Count);
        AddMetrics(chosen, rejected, metrics);
    }

    /// <summary>Logs how the scores of pairs stand to each other, by TRL's names.</summary>
    internal static void AddMetrics(Tensor chosen, Tensor rejected, BatchMetrics metrics)
    {
        using var guard = no_grad();
        var pairs = chosen.size(0);
        metrics.Add("accuracy", chosen.gt(rejected).to_type(ScalarType.Float32).mean().item<float>(), pairs);
        metrics.Add("margin", (chosen - rejected).mean().item<float>(), pairs);
        metrics.Add("mean_reward", (chosen + rejected).mean().item<float>() / 2, pairs);
    }

    /// <summary>The score of each sequence at its last token, (B).</summary>
    /// <param name="model">A model with a scalar head.</param>
    /// <param name="sequences">B prompts with completions.</param>
    /// <param name="groups">A number for each, equal where they begin alike; see <see cref="TokenBatch"/>.</param>
    public static Tensor LastTokenScores(Transformer model, IReadOnlyList<int[]> sequences, IReadOnlyList<int>? groups = null)
    {
        using var tokens = new TokenBatch(sequences, model.Device, groups);
        var last = sequences.Select((sequence, b) => (long)tokens.Row(b, sequence.Length - 1)).ToArray();
        using var rows = new RowSelection(tokens, last);
        return model.Scores(model.Hidden(tokens, rows));
    }

    /// <summary>The scores of many sequences at their last tokens, in the order of the sequences, without gradients.</summary>
    /// <param name="model">A model with a scalar head.</param>
    /// <param name="sequences">Prompts with completions.</param>
    /// <param name="prompts">What tells whose prompts are the same: one for each sequence, compared by reference.</param>
    /// <param name="microBatchTokens">Most tokens that go through the model at once.</param>
    /// <param name="cancellation">Ends the work.</param>
    public static float[] ScoresOf(
        Transformer model, IReadOnlyList<int[]> sequences, IReadOnlyList<object> prompts, int microBatchTokens, CancellationToken cancellation = default)
    {
        using var guard = no_grad();
        var scores = new float[sequences.Count];
        var first = new Dictionary<object, int>(ReferenceEqualityComparer.Instance);
        for (var i = 0; i < scores.Length; i++)
            first.TryAdd(prompts[i], i);
        // What the first sequence of a prompt has in full, the others have from where they differ.
        int Own(int i) => sequences[i].Length - (model.SharesPrefixes && first[prompts[i]] != i ? sequences[i].AsSpan().CommonPrefixLength(sequences[first[prompts[i]]]) : 0);
        foreach (var micro in MicroBatches.Split(Enumerable.Range(0, scores.Length), i => first[prompts[i]], _ => 0, Own, microBatchTokens))
        {
            cancellation.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            var found = LastTokenScores(model, [.. micro.Select(i => sequences[i])], [.. micro.Select(i => first[prompts[i]])]).cpu().data<float>().ToArray();
            for (var b = 0; b < found.Length; b++)
                scores[micro[b]] = found[b];
        }

        return scores;
    }

    /// <inheritdoc/>
    public override void Finish(Transformer model, StageContext context)
    {
        if (CenterOn is null)
            return;
        using var guard = no_grad();
        var demonstrations = context.Open(CenterOn);
        var encoded = Enumerable.Range(0, Math.Min(demonstrations.Count, 1000)).Select(i =>
        {
            var example = demonstrations[i];
            var completion = example.Completion ?? throw new BadInputException($"{example.Source}: center_on needs demonstrations with a completion.");
            var (prompt, target) = context.EncodePair(example, completion);
            return new[] { prompt.Concat(target).ToArray() };
        });
        var (sum, count) = (0.0, 0);
        foreach (var micro in MicroBatches.Split(encoded, sequences => sequences[0].Length, MicroBatchTokens))
        {
            using var scope = NewDisposeScope();
            sum += LastTokenScores(model, [.. micro.Select(sequences => sequences[0])]).sum().item<float>();
            count += micro.Count;
        }

        model.ScoreShift -= sum / count;
    }
}
