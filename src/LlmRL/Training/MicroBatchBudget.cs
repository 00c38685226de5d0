using LlmRL.Algorithms;
using LlmRL.Native;

namespace LlmRL.Training;

/// <summary>
/// How many tokens go through a model at once: <see cref="TrainingStage.MicroBatchTokens"/>, halved where memory does not suffice. The halved number stays,
/// and is part of the stage's state, so that a resumed run cuts its batches alike.
/// </summary>
/// <param name="stage">The stage.</param>
/// <param name="state">The stage's numbers.</param>
/// <param name="warn">Is told of every halving.</param>
internal sealed class MicroBatchBudget(TrainingStage stage, IDictionary<string, double> state, Action<string> warn)
{
    private const string StateKey = "micro_batch_tokens";
    private const int Least = 16;

    /// <summary>Most tokens of a micro-batch.</summary>
    public int Tokens => state.TryGetValue(StateKey, out var tokens) ? (int)tokens : stage.MicroBatchTokens;

    /// <summary>Runs a pass that fills in numbers, which it may do again from the start.</summary>
    public bool Run(Action<int> pass) => Run(
        tokens =>
        {
            pass(tokens);
            return true;
        },
        undo: () => { });

    /// <summary>
    /// Runs a pass over a whole minibatch. Where memory runs out, what it has added so far is undone and the pass is run again with half the tokens: the sum
    /// of gradients is the same up to rounding, however the minibatch is cut.
    /// </summary>
    /// <param name="pass">Gets the tokens of a micro-batch.</param>
    /// <param name="undo">Takes back what an unfinished pass added: its gradients.</param>
    public T Run<T>(Func<int, T> pass, Action undo)
    {
        while (true)
        {
            var tokens = Tokens;
            try
            {
                return pass(tokens);
            }
            catch (Exception fault) when (NativeTorch.IsOutOfMemory(fault) && tokens / 2 >= Least)
            {
                undo();
                state[StateKey] = tokens / 2;
                warn($"{stage.Name}: out of memory with micro_batch_tokens {tokens}; going on with {tokens / 2}. Set it in the recipe to avoid the failed attempt.");
            }
        }
    }
}
