using LlmRL.Data;
using LlmRL.Losses;
using LlmRL.Models;
using LlmRL.Recipes.Binding;
using LlmRL.Training;
using static TorchSharp.torch;

namespace LlmRL.Algorithms;

/// <summary>
/// Supervised fine-tuning: minimises −log π(completion | prompt) over demonstrations, completion tokens and EOS only
/// (<see cref="CrossEntropy.NegativeLogLikelihood"/>).
/// </summary>
[Variant("sft", Title = "Supervised fine-tuning",
    About = "The model learns to imitate example answers.")]
public sealed record Sft : OfflineStage
{
    /// <inheritdoc/>
    public override Transformer LoadModel(StageContext context) => context.LoadModel(Policy);

    /// <inheritdoc/>
    public override EncodedExample Encode(Example example, StageContext context)
    {
        var completion = example.Completion ?? throw new BadInputException($"{example.Source}: an sft stage needs a completion in every row; map its column under data.columns.completion.");
        var (prompt, target) = context.EncodePair(example.Prompt, completion);
        return new EncodedExample([[.. prompt, .. target]], prompt.Length, example);
    }

    /// <inheritdoc/>
    public override void Accumulate(Transformer model, IReadOnlyList<EncodedExample> micro, BatchShare share, BatchMetrics metrics, bool train)
    {
        // The last token predicts nothing, so the model does not read it.
        using var tokens = new TokenBatch([.. micro.Select(example => example.Sequences[0][..^1])], model.Device);
        var rows = new List<long>();
        var targets = new List<long>();
        for (var b = 0; b < micro.Count; b++)
        {
            for (var t = micro[b].PromptLength; t < micro[b].Sequences[0].Length; t++)
            {
                rows.Add(tokens.Starts[b] + t - 1);
                targets.Add(micro[b].Sequences[0][t]);
            }
        }

        var hidden = model.Hidden(tokens).index_select(0, tensor(rows.ToArray()).to(model.Device));
        using var scores = TokenScores.Compute(model, hidden.detach(), tensor(targets.ToArray()).to(model.Device), 1, entropy: false, trainable: train, accuracy: true);
        var loss = CrossEntropy.NegativeLogLikelihood(scores.LogProbs, share.Tokens);
        metrics.Add("loss", loss.item<float>() * share.Tokens / rows.Count, rows.Count);
        metrics.Add("mean_token_accuracy", scores.Accuracy, rows.Count);
        if (!train)
            return;
        loss.backward();
        using var gradient = scores.Backward();
        hidden.backward([gradient]);
    }
}
