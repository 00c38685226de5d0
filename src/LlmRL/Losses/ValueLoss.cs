using static TorchSharp.torch;

namespace LlmRL.Losses;

/// <summary>Losses of the value network.</summary>
public static class ValueLoss
{
    /// <summary>
    /// ℓ = ½·max((V − R)², (clip(V, V_old − ε, V_old + ε) − R)²), per token, (B, T).
    /// </summary>
    /// <param name="values">V, with gradient, in units of reward.</param>
    /// <param name="oldValues">V_old: the estimate at sampling time.</param>
    /// <param name="returns">R: the regression target (advantage + V_old).</param>
    /// <param name="clip">ε, in units of reward.</param>
    /// <remarks>The value clipping of OpenAI's PPO code (baselines/ppo2; lm-human-preferences), not in the paper's equations.</remarks>
    public static Tensor Clipped(Tensor values, Tensor oldValues, Tensor returns, double clip)
    {
        var clipped = maximum(minimum(values, oldValues + clip), oldValues - clip);
        return 0.5 * maximum((values - returns).square(), (clipped - returns).square());
    }

    /// <summary>ℓ = ½(V − R)², per token.</summary>
    public static Tensor Squared(Tensor values, Tensor returns) => 0.5 * (values - returns).square();
}
