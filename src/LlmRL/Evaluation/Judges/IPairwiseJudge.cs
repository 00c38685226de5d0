using LlmRL.Data;

namespace LlmRL.Evaluation.Judges;

/// <summary>A completion as a judge sees it.</summary>
/// <param name="Text">Its text, special tokens removed.</param>
/// <param name="Tokens">Prompt and completion as the policy sampled them; null where only the text is known.</param>
public sealed record JudgedText(string Text, int[]? Tokens = null);

/// <summary>Two completions of one prompt.</summary>
/// <param name="Example">The prompt's row.</param>
/// <param name="Candidate">The policy's.</param>
/// <param name="Opponent">What it is compared with; the same object in all pairs of a prompt that have it in common.</param>
public sealed record JudgedPair(Example Example, JudgedText Candidate, JudgedText Opponent);

/// <summary>What a judge says of a pair.</summary>
/// <param name="Verdict">Whether the candidate wins.</param>
/// <param name="Score">The judge's score of the candidate, where it scores completions one by one; else null.</param>
/// <param name="IsInconsistent">Whether it said something else with the completions in the other order: its verdict is a tie then.</param>
/// <param name="IsFailed">Whether it gave no verdict: a tie then.</param>
public readonly record struct JudgedVerdict(Verdict Verdict, double? Score = null, bool IsInconsistent = false, bool IsFailed = false);

/// <summary>Says which of two completions of a prompt is better.</summary>
public interface IPairwiseJudge : IDisposable
{
    /// <summary>Whether it is asked in both orders, so that consistency is something to report.</summary>
    bool HasOrders { get; }

    /// <summary>The verdicts, in the order of the pairs.</summary>
    /// <param name="pairs">What to compare.</param>
    /// <param name="cancellation">Ends the work.</param>
    IReadOnlyList<JudgedVerdict> Compare(IReadOnlyList<JudgedPair> pairs, CancellationToken cancellation);
}
