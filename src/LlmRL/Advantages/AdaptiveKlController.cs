namespace LlmRL.Advantages;

/// <summary>Steers the KL coefficient so that the policy stays near a target distance from its reference.</summary>
/// <remarks>Ziegler et al. 2019, arXiv 1909.08593, section 2.2: β ← β (1 + K e), e = clip(KL/target − 1, −0.2, 0.2), K = n/horizon.</remarks>
public sealed class AdaptiveKlController
{
    private const double MaxError = 0.2;

    private readonly double target;
    private readonly double horizon;

    /// <summary>Creates the controller.</summary>
    /// <param name="beta">β at the start, units of reward per nat; a checkpoint's <see cref="Beta"/> continues a run.</param>
    /// <param name="target">Target KL per sequence, nats.</param>
    /// <param name="horizon">Episodes over which β can grow e^0.2-fold.</param>
    public AdaptiveKlController(double beta, double target, double horizon)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(beta);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(target);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(horizon);
        (Beta, this.target, this.horizon) = (beta, target, horizon);
    }

    /// <summary>The present β: the controller's whole state.</summary>
    public double Beta { get; private set; }

    /// <summary>Moves β after a batch.</summary>
    /// <param name="kl">Mean KL(π‖π_ref) per sequence, nats.</param>
    /// <param name="episodes">n: sequences in the batch.</param>
    public void Update(double kl, int episodes)
    {
        if (!double.IsFinite(kl))
            throw new ArgumentOutOfRangeException(nameof(kl), kl, "the KL must be finite");
        Beta *= 1 + Math.Clamp(kl / target - 1, -MaxError, MaxError) * episodes / horizon;
    }
}
