namespace LlmRL.Data;

/// <summary>Labels as fallible judges give them.</summary>
public static class PreferenceNoise
{
    /// <summary>P(a ≻ b) = σ((u_a − u_b)/τ) of Bradley and Terry 1952; for τ = 0 the better one for certain, and ½ for equal ones.</summary>
    /// <param name="margin">u_a − u_b, in units of utility.</param>
    /// <param name="noise">τ ≥ 0, in units of utility.</param>
    public static double Probability(double margin, double noise) => noise > 0
        ? 1 / (1 + Math.Exp(-margin / noise))
        : margin > 0 ? 1 : margin < 0 ? 0 : 0.5;
}
