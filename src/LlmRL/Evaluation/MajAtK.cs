namespace LlmRL.Evaluation;

/// <summary>maj@k: whether the answer that most of a problem's samples give is correct (self-consistency).</summary>
/// <remarks>Wang et al. 2022, arXiv 2203.11171.</remarks>
public static class MajAtK
{
    /// <summary>
    /// The expected score of a vote among the samples: of the answers tied for most votes, the fraction that is correct. Samples without an answer do not vote;
    /// 0 where none does.
    /// </summary>
    /// <param name="answers">The extracted answers (k), equal where they mean the same; null: none found.</param>
    /// <param name="isCorrect">Whether an answer is correct.</param>
    public static double Problem(IReadOnlyList<string?> answers, Func<string, bool> isCorrect)
    {
        var votes = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var answer in answers)
        {
            if (answer is not null)
                votes[answer] = votes.GetValueOrDefault(answer) + 1;
        }

        if (votes.Count == 0)
            return 0;
        var most = votes.Values.Max();
        var winners = votes.Where(pair => pair.Value == most).Select(pair => pair.Key).ToList();
        return winners.Count(isCorrect) / (double)winners.Count;
    }
}
