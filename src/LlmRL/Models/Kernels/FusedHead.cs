using LlmRL.Native;
using LlmRL.Numerics;
using static TorchSharp.torch;

namespace LlmRL.Models.Kernels;

/// <summary>
/// <see cref="TokenScores"/> on the CPU: logits of a chunk of rows by matrix products, then one pass over each row; backward, the same memory turns into the
/// logits' gradient. Logits that fit one chunk are kept between the two, others are computed again.
/// </summary>
internal sealed unsafe class FusedHead : IDisposable
{
    private readonly Transformer _model;
    private readonly Tensor _hidden, _targets;
    private readonly float _inverseTemperature;
    private readonly int _rows, _rowFloats, _chunkRows;
    private readonly BufferLease _memory;

    /// <summary>Runs the head forward.</summary>
    public FusedHead(Transformer model, Tensor hidden, Tensor targets, double temperature, bool entropy, long chunkElements)
    {
        (_model, _targets, _inverseTemperature) = (model, targets, (float)(1 / temperature));
        _hidden = hidden.contiguous().DetachFromDisposeScope();
        foreach (var target in NativeTorch.AsSpan<long>(targets))
            if ((ulong)target >= (ulong)model.Config.VocabSize)
                throw new ArgumentException($"target {target} is outside the vocabulary of {model.Config.VocabSize}");
        _rows = (int)hidden.size(0);
        _rowFloats = Lanes.RoundUp(model.Config.VocabSize);
        _chunkRows = (int)Math.Clamp(chunkElements / _rowFloats, 1, Math.Max(1, _rows));
        _memory = new BufferLease((long)_chunkRows * _rowFloats + _rows);
        LogProbs = empty([_rows], dtype: ScalarType.Float32).DetachFromDisposeScope();
        Entropies = entropy ? empty([_rows], dtype: ScalarType.Float32).DetachFromDisposeScope() : null;
        for (var start = 0; start < _rows; start += _chunkRows)
        {
            var pass = new HeadForward(Chunk(start));
            KernelTeam.Run(0, _ => pass);
            Hits += pass.Hits;
        }
    }

    /// <summary>log π of the targets, (N).</summary>
    public Tensor LogProbs { get; }

    /// <summary>Entropies, (N), or null.</summary>
    public Tensor? Entropies { get; }

    /// <summary>How many targets are the most probable token.</summary>
    public long Hits { get; }

    /// <summary>The gradient of the hidden states, (N, D); the head's own is added to its buffer.</summary>
    public Tensor Backward(Tensor? logProbGradient, Tensor? entropyGradient)
    {
        var gradient = empty([_rows, _model.Config.HiddenSize], dtype: ScalarType.Float32);
        using var logProbs = logProbGradient?.contiguous();
        using var entropies = entropyGradient?.contiguous();
        for (var start = 0; start < _rows; start += _chunkRows)
        {
            var chunk = Chunk(start);
            chunk.GradLogProbs = At(logProbs, start);
            chunk.GradEntropies = At(entropies, start);
            chunk.GradHidden = (float*)NativeTorch.DataPointer(gradient) + (long)start * chunk.Width;
            chunk.GradWeight = _model.Parameters.Trainable ? (float*)NativeTorch.DataPointer(_model.Parameters.Gradient(_model.HeadName)) : null;
            chunk.GradBias = chunk.Bias == null || chunk.GradWeight == null ? null : (float*)NativeTorch.DataPointer(_model.Parameters.Gradient(Transformer.HeadBiasName));
            var pass = new HeadBackward(chunk, recompute: _chunkRows < _rows);
            KernelTeam.Run(0, _ => pass);
        }

        return gradient;
    }

    public void Dispose()
    {
        _hidden.Dispose();
        _memory.Dispose();
    }

    private static float* At(Tensor? tensor, int row) => tensor is null ? null : (float*)NativeTorch.DataPointer(tensor) + row;

    private HeadChunk Chunk(int start) => new()
    {
        Rows = Math.Min(_chunkRows, _rows - start),
        Width = _model.Config.HiddenSize,
        Vocabulary = _model.Config.VocabSize,
        RowFloats = _rowFloats,
        InverseTemperature = _inverseTemperature,
        Weight = (float*)NativeTorch.DataPointer(_model.Parameters[_model.HeadName]),
        Bias = At(_model.Parameters.Find(Transformer.HeadBiasName), 0),
        Hidden = (float*)NativeTorch.DataPointer(_hidden) + (long)start * _model.Config.HiddenSize,
        Targets = (long*)NativeTorch.DataPointer(_targets) + start,
        Logits = _memory.Pointer,
        LogSumExp = _memory.Pointer + (long)_chunkRows * _rowFloats + start,
        LogProbs = At(LogProbs, start),
        Entropies = At(Entropies, start),
    };
}
