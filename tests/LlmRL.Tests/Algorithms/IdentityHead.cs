using System.Text.Json;
using LlmRL.Models;
using LlmRL.Rollouts;
using LlmRL.Tests.Advantages;
using LlmRL.Tests.Training;
using static TorchSharp.torch;

namespace LlmRL.Tests.Algorithms;

/// <summary>
/// A model whose head is the identity: what it is given as hidden states are the logits, and the gradient of the hidden states is that of the logits.
/// </summary>
internal sealed class IdentityHead : IDisposable
{
    private readonly Transformer model;
    private readonly (int Row, int Position)[] cells;

    /// <summary>Scores the completions of padded rows.</summary>
    /// <param name="logits">(B, L, V).</param>
    /// <param name="ids">Prompt and completion, (B, L).</param>
    /// <param name="trajectories">How long the completions are.</param>
    /// <param name="promptLength">Where they begin.</param>
    /// <param name="temperature">τ.</param>
    public IdentityHead(JsonElement logits, double[][] ids, Trajectory[] trajectories, int promptLength, double temperature)
    {
        var all = logits.EnumerateArray().Select(Fixture.Rows).ToArray();
        var width = all[0][0].Length;
        model = new Transformer(Tiny.Llama with { VocabSize = width, HiddenSize = width });
        using var guard = no_grad();
        model.Parameters["head"].copy_(eye(width));
        cells = [.. trajectories.SelectMany((trajectory, b) => Enumerable.Range(0, trajectory.Length).Select(t => (b, promptLength - 1 + t)))];
        var hidden = Fixture.Matrix([.. cells.Select(cell => all[cell.Row][cell.Position])]);
        var targets = tensor(cells.Select(cell => (long)ids[cell.Row][cell.Position + 1]).ToArray());
        Scores = TokenScores.Compute(model, hidden, targets, temperature, entropy: true, trainable: true);
    }

    public TokenScores Scores { get; }

    /// <summary>Compares the gradient of the logits; those that no completion reads have no part in the loss.</summary>
    public void AssertGradient(JsonElement expected)
    {
        var all = expected.EnumerateArray().Select(Fixture.Rows).ToArray();
        using var gradient = Scores.Backward();
        Trl.AssertGradient([.. cells.SelectMany(cell => all[cell.Row][cell.Position])], gradient);
        for (var b = 0; b < all.Length; b++)
            Assert.All(all[b].Where((_, t) => !cells.Contains((b, t))).SelectMany(row => row), x => Assert.Equal(0, x));
    }

    public void Dispose()
    {
        Scores.Dispose();
        model.Dispose();
    }
}
