using LlmRL.Advantages;

namespace LlmRL.Control;

/// <summary>Consecutive steps of one environment within one episode: a whole episode, or a part that the length of a sampling phase cut out.</summary>
public sealed class Segment
{
    /// <summary>What the agent saw before each action, (T, O), row by row.</summary>
    public List<float> Observations { get; } = [];

    /// <summary>a_t (T).</summary>
    public List<int> Actions { get; } = [];

    /// <summary>log π(a_t|s_t) (T) of the policy that sampled, nats.</summary>
    public List<float> LogProbs { get; } = [];

    /// <summary>r_t (T).</summary>
    public List<double> Rewards { get; } = [];

    /// <summary>T.</summary>
    public int Length => Actions.Count;

    /// <summary>Whether the task itself ended at the last step. Otherwise a time limit or the sampling phase cut it off, and more reward would have followed.</summary>
    public bool Terminated { get; set; }

    /// <summary>What the agent saw after the last step, (O).</summary>
    public float[] FinalObservation { get; set; } = [];

    /// <summary>V(s_t) (T); empty without a value network.</summary>
    public double[] Values { get; set; } = [];

    /// <summary>V of the state after the last step: 0 where the task ended, the value network's estimate where it was cut off.</summary>
    public double FinalValue { get; set; }

    /// <summary>A_t (T).</summary>
    public double[] Advantages { get; set; } = [];

    /// <summary>Targets of the value network (T); empty without one.</summary>
    public double[] Returns { get; set; } = [];
}

/// <summary>An episode that ended.</summary>
/// <param name="Return">Σ r_t, undiscounted.</param>
/// <param name="Length">Steps.</param>
public readonly record struct FinishedEpisode(double Return, int Length);

/// <summary>What one sampling phase brought.</summary>
/// <param name="Segments">All steps.</param>
/// <param name="Finished">The episodes that ended in it, which may have begun before it.</param>
public sealed record ControlRollout(IReadOnlyList<Segment> Segments, IReadOnlyList<FinishedEpisode> Finished)
{
    /// <summary>N: steps of all segments.</summary>
    public int StepCount => Segments.Sum(segment => segment.Length);

    /// <summary>Scales the advantages of all steps to mean 0 and variance 1; see <see cref="Whiten"/>.</summary>
    public void WhitenAdvantages() => Whiten.Rows([.. Segments.Select(segment => segment.Advantages)], null, shiftMean: true, unbiased: true);

    /// <summary>1 − Var(R − V)/Var(R) over all steps: 1 where the values predict the returns, 0 where they say no more than a constant; NaN without returns that differ.</summary>
    public double ExplainedVariance()
    {
        var (errors, returns) = (new Evaluation.RunningStatistics(), new Evaluation.RunningStatistics());
        foreach (var segment in Segments)
        {
            for (var t = 0; t < segment.Length; t++)
            {
                errors.Add(segment.Returns[t] - segment.Values[t]);
                returns.Add(segment.Returns[t]);
            }
        }

        return returns.Variance > 0 ? 1 - errors.Variance / returns.Variance : double.NaN;
    }
}
