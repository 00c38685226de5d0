using LlmRL.Models;
using static TorchSharp.torch;

namespace LlmRL.Rollouts.Device;

/// <summary>Where a prompt's keys and values go.</summary>
/// <param name="Prompt">Its tokens.</param>
/// <param name="Rows">Rows of the cache.</param>
internal sealed record PrefilledPrompt(int[] Prompt, List<int> Rows);

/// <summary>
/// Runs prompts through the model once, by the forward pass of training, and copies their keys and values to every slot that goes on from them. A prompt's last token is left
/// out: the slot reads it in its first step, whose logits are those of the first new token.
/// </summary>
/// <param name="model">The model.</param>
/// <param name="state">The cache.</param>
internal sealed class PromptPrefill(Transformer model, DecodeState state)
{
    /// <summary>Most tokens of one pass, unless a single prompt has more.</summary>
    private const int PassTokens = 4096;

    /// <summary>Fills the rows of some prompts.</summary>
    public void Run(IEnumerable<PrefilledPrompt> prompts)
    {
        var pass = new List<PrefilledPrompt>();
        var longest = 0;
        foreach (var prompt in prompts.Where(prompt => prompt.Prompt.Length > 1))
        {
            longest = Math.Max(longest, prompt.Prompt.Length);
            if (pass.Count > 0 && longest * (pass.Count + 1) > PassTokens)
            {
                Pass(pass);
                pass.Clear();
                longest = prompt.Prompt.Length;
            }

            pass.Add(prompt);
        }

        if (pass.Count > 0)
            Pass(pass);
    }

    /// <summary>Copies the prompt that the cache's last row keeps to other rows.</summary>
    /// <param name="length">Tokens of it, the last one left out.</param>
    /// <param name="rows">Where it goes.</param>
    public void CopyKept(int length, IReadOnlyList<int> rows)
    {
        if (length == 0 || rows.Count == 0)
            return;
        using var scope = NewDisposeScope();
        var (to, from) = (Indices(rows), Indices([.. rows.Select(_ => state.Shape.Slots)]));
        foreach (var cache in state.Keys.Concat(state.Values))
        {
            using var layerScope = NewDisposeScope();
            var read = cache.narrow(2, 0, length);
            read.index_copy_(0, to, read.index_select(0, from));
        }
    }

    private void Pass(IReadOnlyList<PrefilledPrompt> prompts)
    {
        using var scope = NewDisposeScope();
        using var batch = new TokenBatch([.. prompts.Select(prompt => prompt.Prompt[..^1])], model.Device);
        var to = Indices([.. prompts.SelectMany(prompt => prompt.Rows)]);
        var from = Indices([.. prompts.SelectMany((prompt, i) => prompt.Rows.Select(_ => i))]);
        model.OperatorHidden(batch, (layer, keys, values) =>
        {
            Copy(keys, state.Keys[layer]);
            Copy(values, state.Values[layer]);
        });

        // Beyond a shorter prompt's end lie numbers of padding: a slot overwrites them before it reads them.
        void Copy(Tensor made, Tensor cache) => cache.narrow(2, 0, batch.MaxLength).index_copy_(0, to, made.index_select(0, from).to_type(cache.dtype));
    }

    private Tensor Indices(IReadOnlyList<int> values) => tensor(values.Select(value => (long)value).ToArray()).to(model.Device);
}
