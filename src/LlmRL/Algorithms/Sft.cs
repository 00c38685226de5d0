using LlmRL.Data;
using LlmRL.Losses;
using LlmRL.Models;
using LlmRL.Recipes.Binding;
using LlmRL.Training;

namespace LlmRL.Algorithms;

/// <summary>
/// Supervised fine-tuning: minimises −log π(completion | prompt) over demonstrations, completion tokens and EOS only
/// (<see cref="CrossEntropy.NegativeLogLikelihood"/>). Of a preference pair the chosen answer is the demonstration.
/// </summary>
[Variant("sft", Title = "Supervised fine-tuning",
    About = "The model learns to imitate example answers.")]
public sealed record Sft : OfflineStage
{
    /// <summary>
    /// Of conversations, learns what the assistant says (and its ends of turn), not what it is told: TRL's <c>assistant_only_loss</c>. Without it a row of
    /// <c>messages</c> alone is learned as a whole.
    /// </summary>
    public bool AssistantOnlyLoss { get; init; }

    /// <inheritdoc/>
    public override Transformer LoadModel(StageContext context) => context.LoadTrained(Policy, Lora);

    /// <inheritdoc/>
    public override EncodedExample Encode(Example example, StageContext context)
    {
        var completion = example.Demonstration
            ?? throw new BadInputException($"{example.Source}: an sft stage needs a completion in every row, or a chosen answer; map its column under data.columns.completion.");
        if (example.Label == false)
            throw new BadInputException($"{example.Source}: this completion is labelled as a bad one, and an sft stage would imitate it. Select the good ones: sql: \"SELECT * FROM data WHERE label\".");
        if (AssistantOnlyLoss)
        {
            var (before, said, learned) = context.EncodeConversation(example);
            return new EncodedExample([[.. before, .. said]], before.Length, example) { Learned = [learned] };
        }

        var (prompt, target) = context.EncodePair(example, completion);
        return new EncodedExample([[.. prompt, .. target]], prompt.Length, example);
    }

    /// <inheritdoc/>
    public override void Accumulate(Transformer model, IReadOnlyList<EncodedExample> micro, BatchShare share, BatchMetrics metrics, bool train)
    {
        using var completions = new CompletionBatch(micro, model.Device);
        completions.Forward(model, train, accuracy: true);
        var loss = CrossEntropy.NegativeLogLikelihood(completions.LogProbs, share.Tokens);
        metrics.Add("loss", loss.item<float>() * share.Tokens / completions.Count, completions.Count);
        metrics.Add("mean_token_accuracy", completions.Accuracy, completions.Count);
        if (!train)
            return;
        loss.backward();
        completions.Backward();
    }
}
