using LlmRL.Data;
using LlmRL.Recipes.Binding;
using LlmRL.Rollouts;
using LlmRL.Tokenization;

namespace LlmRL.Rewards;

/// <summary>
/// A dense verifiable reward: with a right answer of L tokens, each leading token that matches it is worth 1/(L + 1), up to the first mismatch, and so is
/// the stop token behind the complete answer. A perfect completion adds up to 1. The answer is the row's <c>answer</c>, or its <c>completion</c>.
/// </summary>
[Variant("prefix_match")]
public sealed record PrefixMatchReward : ITokenReward
{
    /// <inheritdoc/>
    string ITokenReward.Name => "prefix_match";

    /// <inheritdoc/>
    public void Score(Example example, Completion completion, Tokenizer tokenizer, Span<double> rewards)
    {
        rewards.Clear();
        var answer = tokenizer.Encode(example.Answer ?? example.Completion ?? "");
        var matched = completion.Tokens.AsSpan().CommonPrefixLength(answer);
        rewards[..matched].Fill(1.0 / (answer.Length + 1));
        if (matched == answer.Length && completion.Finish == FinishReason.Stop && completion.Tokens.Length == matched + 1)
            rewards[matched] = 1.0 / (answer.Length + 1);
    }
}
