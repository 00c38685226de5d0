using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace LlmRL.Losses;

/// <summary>Losses over preference pairs; w is the preferred completion, l the other.</summary>
public static class PreferenceLosses
{
    /// <summary>
    /// Bradley–Terry: ℓ = −log σ(r_w − r_l − margin) + c·(r_w + r_l)², (B).
    /// </summary>
    /// <param name="chosen">r_w, (B), with gradient.</param>
    /// <param name="rejected">r_l, (B), with gradient.</param>
    /// <param name="margin">How much better w is, (B), or null for 0 (Touvron et al. 2023, arXiv 2307.09288, eq. 2).</param>
    /// <param name="centering">c: keeps scores near 0 (Eisenstein et al. 2023, arXiv 2312.09244).</param>
    /// <remarks>Bradley and Terry 1952; Stiennon et al. 2020, arXiv 2009.01325, section 3.4.</remarks>
    public static Tensor BradleyTerry(Tensor chosen, Tensor rejected, Tensor? margin = null, double centering = 0)
    {
        var difference = margin is null ? chosen - rejected : chosen - rejected - margin;
        var losses = -F.logsigmoid(difference);
        return centering == 0 ? losses : losses + centering * (chosen + rejected).square();
    }
}
