using LlmRL.Native;
using LlmRL.Numerics;
using static TorchSharp.torch;

namespace LlmRL.Models.Kernels;

/// <summary>
/// <see cref="TokenScores"/> on the CPU. Logits that fit one chunk are computed once: matrix products, then one pass over each row; backward, the same memory turns into the
/// logits' gradient. Those of a larger vocabulary never exist: see <see cref="VocabularyForward"/>. Where the processor or the width does not allow that, chunks of rows are computed twice.
/// </summary>
internal sealed unsafe class FusedHead : IDisposable
{
    private readonly Transformer _model;
    private readonly Tensor _hidden, _targets;
    private readonly float _inverseTemperature;
    private readonly int _rows, _rowFloats, _chunkRows;
    private readonly bool _byBlocks;
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
        _byBlocks = _chunkRows < _rows && VocabularyBlocks.Fit(model.Config.HiddenSize);
        if (_byBlocks)
            (_chunkRows, _rowFloats) = (_rows, 0);
        _memory = new BufferLease((long)_chunkRows * _rowFloats + _rows);
        LogProbs = empty([_rows], dtype: ScalarType.Float32).DetachFromDisposeScope();
        Entropies = entropy ? empty([_rows], dtype: ScalarType.Float32).DetachFromDisposeScope() : null;
        for (var start = 0; start < _rows; start += _chunkRows)
        {
            var chunk = Chunk(start);
            Hits += _byBlocks ? ForwardByBlocks(chunk) : Forward(chunk);
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
            if (_byBlocks)
                KernelTeam.Run(VocabularyBackward.Floats(chunk), scratch => new VocabularyBackward(chunk, (float*)scratch));
            else
                KernelTeam.Run(0, _ => new HeadBackward(chunk, recompute: _chunkRows < _rows));
        }

        return gradient;
    }

    public void Dispose()
    {
        _hidden.Dispose();
        _memory.Dispose();
    }

    private static long Forward(HeadChunk chunk)
    {
        var pass = new HeadForward(chunk);
        KernelTeam.Run(0, _ => pass);
        return pass.Hits;
    }

    private static long ForwardByBlocks(HeadChunk chunk)
    {
        VocabularyForward? pass = null;
        KernelTeam.Run(VocabularyForward.Floats(chunk), scratch => pass = new VocabularyForward(chunk, (float*)scratch));
        return pass!.Hits;
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
