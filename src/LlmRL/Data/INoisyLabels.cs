namespace LlmRL.Data;

/// <summary>Preference pairs whose label noise is known, because a generator made them.</summary>
public interface INoisyLabels
{
    /// <summary>The accuracy that a judge with perfect knowledge of the utility would reach on these labels: the mean of max(p, 1 − p).</summary>
    /// <param name="sample">How many pairs it is averaged over.</param>
    double BayesAccuracy(int sample);
}
