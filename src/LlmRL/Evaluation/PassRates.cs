using LlmRL.Data;
using LlmRL.Rewards;
using LlmRL.Rollouts;

namespace LlmRL.Evaluation;

/// <summary>Which problems a policy's samples solve: pass@k, maj@k, both by difficulty, and what is solved that the reference policy never solved.</summary>
/// <param name="stage">What is asked for.</param>
/// <param name="examples">The problems.</param>
internal sealed class PassRates(Evaluate stage, IReadOnlyList<Example> examples)
{
    // Right samples of each problem, for the reference policy; null until it was measured.
    private int[]? before;

    /// <summary>Adds a policy's rates.</summary>
    /// <param name="groups">The samples of each problem, equally many.</param>
    /// <param name="isReference">Whether later policies are compared with this one.</param>
    /// <param name="rows">Where the numbers go.</param>
    /// <param name="cancellation">Ends the verification.</param>
    public void Add(IReadOnlyList<IReadOnlyList<Trajectory>> groups, bool isReference, MeasuredRows rows, CancellationToken cancellation = default)
    {
        var right = groups.AsParallel().AsOrdered().WithCancellation(cancellation)
            .Select(group => group.Select(trajectory => stage.Verifier.Score(trajectory.Example, trajectory.Text) >= 1).ToArray()).ToArray();
        var correct = Array.ConvertAll(right, group => group.Count(isRight => isRight));
        foreach (var k in stage.PassAtK.Distinct().Order())
            AddByDifficulty($"pass@{k}", [.. right.Select((group, i) => PassAtK.Problem(group.Length, correct[i], k))], rows);
        foreach (var k in stage.MajAtK.Distinct().Order())
            AddByDifficulty($"maj@{k}", [.. groups.AsParallel().AsOrdered().WithCancellation(cancellation).Select((group, i) => Majority(group, right[i], k))], rows);
        if (isReference)
            before = correct;
        else if (before is not null && before.Contains(0))
            rows.AddMean("newly_solved", correct.Where((_, i) => before[i] == 0).Select(c => c > 0 ? 1.0 : 0));
    }

    private void AddByDifficulty(string metric, double[] problems, MeasuredRows rows)
    {
        rows.AddMean(metric, problems);
        var levels = examples.Select(example => example.Difficulty).Distinct().Order().ToArray();
        foreach (var level in levels.Length < 2 ? [] : levels)
            rows.AddMean($"{metric}[difficulty={level}]", problems.Where((_, i) => examples[i].Difficulty == level));
    }

    /// <summary>The vote of the first k samples; answers that mean the same are one.</summary>
    private double Majority(IReadOnlyList<Trajectory> group, bool[] right, int k)
    {
        var options = (stage.Verifier as MathReward)?.Strictness ?? MathOptions.Default;
        var place = stage.Verifier is MathReward { Strict: true } && options.Extraction == AnswerPlace.Any ? AnswerPlace.Marked : options.Extraction;
        var verdicts = new Dictionary<string, bool>(StringComparer.Ordinal);
        var answers = new string?[k];
        for (var i = 0; i < k; i++)
        {
            if (MathVerifier.Extract(group[i].Text, place) is not { } answer)
                continue;
            answers[i] = verdicts.ContainsKey(answer) ? answer : verdicts.Keys.FirstOrDefault(known => MathVerifier.Equal(known, answer, options)) ?? answer;
            verdicts.TryAdd(answers[i]!, right[i]);
        }

        return MajAtK.Problem(answers, answer => verdicts[answer]);
    }
}
