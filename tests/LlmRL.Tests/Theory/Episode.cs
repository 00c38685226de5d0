namespace LlmRL.Tests.Theory;

/// <summary>One way in which a process can go: at step t the policy is asked in state s_t, takes action a_t and is paid r_t.</summary>
/// <param name="States">s_t, rows of the policy's table.</param>
/// <param name="Actions">a_t.</param>
/// <param name="Rewards">r_t.</param>
/// <param name="Chance">The probability of what is not the policy's doing: the product of the environment's transitions.</param>
internal sealed record Episode(int[] States, int[] Actions, double[] Rewards, double Chance)
{
    /// <summary>T.</summary>
    public int Length => States.Length;

    /// <summary>Σ_{t' ≥ t} γ^(t'−t) r_t', by its definition.</summary>
    public double Return(double gamma = 1, int from = 0) => Enumerable.Range(from, Length - from).Sum(t => Math.Pow(gamma, t - from) * Rewards[t]);
}
