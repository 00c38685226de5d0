namespace LlmRL.Models;

/// <summary>Parameter names of one layer, built once: looking them up costs no allocation in the forward pass.</summary>
internal sealed class LayerNames(int layer)
{
    public readonly string AttentionNorm = $"layers.{layer}.attention_norm", AttentionNormBias = $"layers.{layer}.attention_norm_bias";
    public readonly string Qkv = $"layers.{layer}.qkv", QkvBias = $"layers.{layer}.qkv_bias";
    public readonly string QueryNorm = $"layers.{layer}.query_norm", KeyNorm = $"layers.{layer}.key_norm";
    public readonly string Output = $"layers.{layer}.output", OutputBias = $"layers.{layer}.output_bias";
    public readonly string MlpNorm = $"layers.{layer}.mlp_norm", MlpNormBias = $"layers.{layer}.mlp_norm_bias";
    public readonly string Up = $"layers.{layer}.up", UpBias = $"layers.{layer}.up_bias";
    public readonly string Down = $"layers.{layer}.down", DownBias = $"layers.{layer}.down_bias";
}
